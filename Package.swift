// swift-tools-version: 6.2
// One package, one shared library. Arrows between the rooms run one way; ARCHITECTURE.md names them.
import PackageDescription

#if arch(x86_64)
    let isX86 = true
#else
    let isX86 = false
#endif

/// Every module: Swift 6 mode (from the tools version), warnings are errors; each function in a section of its own, so that
/// the linker leaves out what nobody calls, also of what other modules might (`-internalize-at-link`), and what it has
/// already (`--icf=all`: also functions whose addresses are taken, since nothing compares those).
let everywhere: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .unsafeFlags(
        ["-Xfrontend", "-function-sections", "-Xfrontend", "-internalize-at-link"], .when(configuration: .release)),
]

/// Every module but rules and kernels also marks each unsafe expression.
let strict: [SwiftSetting] = everywhere + [.strictMemorySafety()]

/// Modules that hand words for errors on as closures: no copies of what takes these are made for each of them.
let wordy: [SwiftSetting] =
    strict + [.unsafeFlags(["-Xllvm", "-sil-disable-pass=closure-specialize"], .when(configuration: .release))]

/// Modules that decide and hand on, and have no loop over memory of their own: small code rather than inlined code.
let small: [SwiftSetting] = wordy + [.unsafeFlags(["-Osize"], .when(configuration: .release))]

/// Loops over memory: one module for each instruction set, all of them made of the one folder Sources/<room>, to which
/// links give the other names; in it a link leads to Sources/Lanes. A module is one compilation, mostly on one core, so
/// rooms that need not know of each other are modules apart. Inputs have been checked at the boundary, so no traps;
/// `-fno-math-errno` turns a vector square root into one instruction, and `-march` sets the code generator's target for
/// Swift code too.
func kernels(_ room: String) -> [Target] {
    func twin(_ set: String, _ clangFlags: [String], multiplyAdd: Bool, wide: Bool = false) -> Target {
        let flags = (["-fno-math-errno"] + clangFlags).flatMap { ["-Xcc", $0] }
        return .target(
            name: "Martlet\(room)\(set)", dependencies: ["CMachine", "MartletKernelInterface"],
            path: "Sources/\(room)\(set)",
            swiftSettings: everywhere + [.unsafeFlags(["-Ounchecked"] + flags, .when(configuration: .release))]
                + (multiplyAdd ? [.define("MARTLET_FMA")] : []) + (wide ? [.define("MARTLET_WIDE")] : []))
    }
    let baseline = twin("", [], multiplyAdd: !isX86)
    if !isX86 { return [baseline] }
    return [
        baseline,
        twin("AVX2", ["-march=x86-64-v3"], multiplyAdd: true),
        twin("AVX512", ["-march=x86-64-v4", "-mprefer-vector-width=512"], multiplyAdd: true, wide: true),
    ]
}

let rules = kernels("Rules")
let operations = kernels("Kernels")

func named(_ targets: [Target]) -> [Target.Dependency] { targets.map { .byName(name: $0.name) } }

/// An example of Examples/Swift as a target of this package, so that the tests build it without the library a second
/// time. Examples/Swift/Package.swift is what a package of one's own has.
func example(_ name: String, _ source: String, _ dependency: Target.Dependency) -> Target {
    .executableTarget(
        name: "example-\(name)", dependencies: [dependency], path: "Examples/Swift",
        exclude: ["Package.swift", "README.md", "Digits.swift", "Quick.swift", "Sine.swift"].filter { $0 != source },
        sources: [source],
        swiftSettings: everywhere)
}

/// The tests of one room: Tests/<room>, in release like everything that is measured.
func tests(_ room: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: "Martlet\(room)Tests",
        dependencies: [.byName(name: "Martlet\(room)"), "MartletTestSupport"] + dependencies,
        path: "Tests/\(room)", swiftSettings: everywhere)
}

/// What the Swift runtime locks with; Sources/Martlet/RuntimeLocks.swift stands in for each.
let runtimeLocks = [
    "pthread_mutex_lock", "pthread_mutex_unlock", "__cxa_guard_acquire", "__cxa_guard_release",
    "_ZN5swift14threading_impl9once_slowERNS0_6once_tEPFvPvES3_",
]

let package = Package(
    name: "martlet",
    products: [
        .library(name: "martlet", type: .dynamic, targets: ["Martlet"]),
        .library(name: "MartletOptimizers", targets: ["MartletOptimizers"]),
        .library(name: "MartletModels", targets: ["MartletModels"]),
    ],
    targets: [
        // C: the published header as a module, and what Swift has no words for.
        .systemLibrary(name: "CMartlet", path: "include"),
        .systemLibrary(name: "CMachine", path: "Sources/CMachine"),
        .target(name: "CGlibc", path: "Sources/CGlibc", publicHeadersPath: "."),

        // The machine, the words of the kernels, and the two together.
        .target(name: "MartletPlatform", dependencies: ["CMachine"], path: "Sources/Platform", swiftSettings: strict),
        .target(name: "MartletKernelInterface", path: "Sources/KernelInterface", swiftSettings: strict),
        .target(
            name: "MartletCompute",
            dependencies: ["CMachine", "MartletPlatform", "MartletKernelInterface"] + named(rules + operations),
            path: "Sources/Compute", swiftSettings: strict),

        // The engines.
        .target(
            name: "MartletCheckpoints", dependencies: ["MartletPlatform"], path: "Sources/Checkpoints",
            swiftSettings: small),
        .target(
            name: "MartletOptimizers", dependencies: ["MartletCompute", "MartletCheckpoints"],
            path: "Sources/Optimizers",
            swiftSettings: wordy),
        .target(
            name: "MartletModels", dependencies: ["MartletOptimizers"], path: "Sources/Models",
            swiftSettings: small),

        // The boundary.
        .target(
            name: "MartletExports", dependencies: ["CMartlet", "MartletModels"], path: "Sources/Exports",
            swiftSettings: small),
        .target(
            name: "Martlet", dependencies: ["CMachine", "CGlibc", "MartletPlatform", "MartletExports"],
            path: "Sources/Martlet", exclude: ["exports.map"], swiftSettings: strict,
            linkerSettings: [
                .unsafeFlags(runtimeLocks.flatMap { ["-Xlinker", "--wrap=\($0)"] }, .when(platforms: [.linux])),
                .unsafeFlags(
                    [
                        "-static-stdlib", "-no-toolchain-stdlib-rpath", "-Xlinker", "-soname=libmartlet.so.0",
                        "-Xlinker", "-z", "-Xlinker", "nodelete",
                        "-Xlinker", "--gc-sections", "-Xlinker", "--icf=all", "-Xlinker",
                        "--version-script=\(Context.packageDirectory)/Sources/Martlet/exports.map",
                        "-Xlinker", "--no-undefined-version", "-Xlinker", "-z", "-Xlinker", "defs",
                        // What CGlibc asks for lies in these two before glibc 2.34.
                        "-Xlinker", "--push-state", "-Xlinker", "--no-as-needed", "-Xlinker", "-l:libpthread.so.0",
                        "-Xlinker", "-l:libdl.so.2", "-Xlinker", "--pop-state",
                    ], .when(platforms: [.linux], configuration: .release)),
            ]),

        .target(name: "MartletTestSupport", path: "Tests/Support", swiftSettings: everywhere),
        tests("Platform", []),
        tests("Rules", ["CMachine", "MartletKernelInterface"] + named(rules).dropFirst()),
        tests("Compute", ["CMachine", "MartletKernelInterface", "MartletPlatform"]),
        tests("Checkpoints", []),
        tests("Optimizers", ["CMachine", "MartletPlatform"]),
        tests("Models", ["MartletPlatform", "MartletOptimizers"]),
        tests("Exports", ["CMartlet"]),
        .executableTarget(
            name: "equivalence", dependencies: ["MartletModels", "MartletOptimizers", "MartletPlatform"],
            path: "Tests/equivalence/swift",
            swiftSettings: everywhere),
        example("sine", "Sine.swift", "MartletOptimizers"),
        example("quick", "Quick.swift", "MartletModels"),
        example("digits", "Digits.swift", "MartletModels"),
    ] + rules + operations
)
