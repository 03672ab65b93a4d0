// swift-tools-version: 6.2
// Programs of their own that use Martlet as any Swift package would. Elsewhere the dependency is the repository's
// address instead of a path.
import PackageDescription

func example(_ name: String, _ source: String, _ product: String) -> Target {
    .executableTarget(
        name: name, dependencies: [.product(name: product, package: "martlet")], path: ".",
        exclude: ["README.md"] + ["Digits.swift", "Quick.swift", "Sine.swift"].filter { $0 != source },
        sources: [source])
}

let package = Package(
    name: "examples",
    dependencies: [.package(name: "martlet", path: "../..")],
    targets: [
        example("sine", "Sine.swift", "MartletOptimizers"),
        example("quick", "Quick.swift", "MartletModels"),
        example("digits", "Digits.swift", "MartletModels"),
    ]
)
