// The product target: the link settings of the manifest, exports.map beside this file, and CrashReports.swift, which is
// about linking too. Nothing that computes.
