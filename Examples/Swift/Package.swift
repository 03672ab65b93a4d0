// swift-tools-version: 6.2
// A program of its own that uses Martlet as any Swift package would. Elsewhere the dependency is the repository's
// address instead of a path.
import PackageDescription

let package = Package(
    name: "sine",
    dependencies: [.package(name: "martlet", path: "../..")],
    targets: [
        .executableTarget(
            name: "sine", dependencies: [.product(name: "MartletOptimizers", package: "martlet")], path: ".",
            exclude: ["README.md"], sources: ["Sine.swift"])
    ]
)
