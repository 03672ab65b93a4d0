// The product target: no code, only the link settings of the manifest and exports.map beside this file.
