// The product target: the link settings of the manifest, exports.map beside this file, and what stands in for parts of the
// runtime, which is about linking too. Nothing that computes.
