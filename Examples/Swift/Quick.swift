// The Swift block of README.md, as it stands there, on made-up samples of three classes.
import MartletModels

/// Two features, by whose sum the class goes.
func samples(_ count: Int) -> (x: [Float], labels: [Int]) {
    let x = (0..<(2 * count)).map { Float(($0 * 7919) % 1000) / 500 - 1 }
    let labels = (0..<count).map { index in
        let sum = x[2 * index] + x[2 * index + 1]
        return sum < -0.5 ? 0 : sum < 0.5 ? 1 : 2
    }
    return (x, labels)
}

@main
struct Quick {
    static func main() throws {
        let (x, labels) = samples(600)

        let model = try Model(input: Shape([2]), seed: 1)
        try model.add(.dense(32, activation: .relu))
        try model.add(.dense(3))
        try model.compile(Training(.crossEntropy))  // with Adam
        var loop = Loop()
        loop.epochs = 50
        try model.fit(x, labels, loop)
        let logits = try model.predict(x)  // three for each sample

        let right = labels.indices.count { index in
            let row = logits[(3 * index)..<(3 * index + 3)]
            return row.firstIndex(of: row.max()!)! - 3 * index == labels[index]
        }
        print("\(right) of \(labels.count) are told right")
        precondition(right >= 570, "expected at least 570")
    }
}
