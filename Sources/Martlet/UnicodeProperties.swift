// Keeps what Unicode says of its scalars out of the library: names, categories and cases, 0.7 MB of tables. The linker
// takes the runtime's object that holds them for the names below alone, so it stays out where these are defined. They are
// asked for properties of Unicode.Scalar, for those of Character, as isLetter, and by uppercased() and lowercased(), none
// of which anything here calls: Tests/kernels_closed.py looks for it. What compares, hashes and divides text has tables
// of its own, which stay.

@_cdecl("_swift_stdlib_getAge")
package func age(_ scalar: UInt32) -> UInt16 { .max }

@_cdecl("_swift_stdlib_getBinaryProperties")
package func binaryProperties(_ scalar: UInt32) -> UInt64 { 0 }

@_cdecl("_swift_stdlib_getCaseMapping")
package func foldedCase(_ scalar: UInt32, _ folded: UnsafeMutablePointer<UInt32>?) {}

@_cdecl("_swift_stdlib_getGeneralCategory")
package func generalCategory(_ scalar: UInt32) -> UInt8 { .max }

@_cdecl("_swift_stdlib_getMapping")
package func mapping(_ scalar: UInt32, _ which: UInt8) -> Int32 { 0 }

@_cdecl("_swift_stdlib_getNameAlias")
package func nameAlias(_ scalar: UInt32) -> UnsafePointer<CChar>? { nil }

@_cdecl("_swift_stdlib_getNumericType")
package func numericType(_ scalar: UInt32) -> UInt8 { .max }

@_cdecl("_swift_stdlib_getNumericValue")
package func numericValue(_ scalar: UInt32) -> Double { 0 }

@_cdecl("_swift_stdlib_getScalarName")
package func scalarName(_ scalar: UInt32, _ name: UnsafeMutablePointer<UInt8>?, _ capacity: Int) -> Int { 0 }

@_cdecl("_swift_stdlib_getScript")
package func script(_ scalar: UInt32) -> UInt8 { .max }

@_cdecl("_swift_stdlib_getScriptExtensions")
package func scriptExtensions(_ scalar: UInt32, _ count: UnsafeMutablePointer<UInt8>?) -> UnsafePointer<UInt8>? { nil }

@_cdecl("_swift_stdlib_getSpecialMapping")
package func specialMapping(
    _ scalar: UInt32, _ which: UInt8, _ count: UnsafeMutablePointer<Int>?
) -> UnsafePointer<UInt8>? { nil }
