// The network of network.c from Swift, through the MartletModels product. Prints the same lines.
import MartletModels
import MartletOptimizers

private let sampleCount = 96
private let (side, channels, classes) = (16, 3, 10)

private func makeNetwork() throws -> Model {
    let model = try Model(input: Shape([side, side, channels]), seed: 11)
    try model.add(.conv2D(32, Pair(3, 3), padding: .same, activation: .relu))
    try model.add(Layer(.batchNorm))
    try model.add(Layer(.maxPool2D))
    try model.add(.conv2D(24, Pair(5, 5), padding: .same, activation: .tanh))
    try model.add(Layer(.flatten))
    var dropout = Layer(.dropout)
    dropout.rate = 0.25
    try model.add(dropout)
    try model.add(.dense(classes))
    return model
}

func runNetwork() throws {
    let images = unsafe makeArray(sampleCount * side * side * channels)
    for index in images.indices { unsafe images[index] = number(stream: 0, index: index) }
    let labels = UnsafeMutableBufferPointer<Int32>.allocate(capacity: sampleCount)
    for index in 0..<sampleCount { unsafe labels[index] = Int32(index * 7 % classes) }
    let x = unsafe Samples(UnsafeBufferPointer(images))
    let y = unsafe Samples(UnsafeBufferPointer(labels))

    let model = try makeNetwork()
    var adam = Configuration(.adam)
    adam.lr = 0.01
    try model.compile(Training(.crossEntropy), optimizer: adam)
    var loop = Loop()
    loop.epochs = 4
    loop.keepsOrder = true
    let outcome = try unsafe model.fit(try SampleArrays(x), try SampleArrays(y, name: "y"), validation: nil, loop)
    let predictions = unsafe makeArray(sampleCount * classes)
    _ = try unsafe model.predict(try SampleArrays(x), into: predictions, Loop())

    var loss = outcome.score.meanLoss
    print("loss", withUnsafeBytes(of: &loss) { unsafe hash($0) })
    try unsafe print("parameters", hash(UnsafeRawBufferPointer(model.parameterMemory())))
    try unsafe print("gradients", hash(UnsafeRawBufferPointer(model.gradientMemory())))
    try unsafe print("statistics", hash(UnsafeRawBufferPointer(model.statisticMemory())))
    unsafe print("predictions", hash(UnsafeRawBufferPointer(predictions)))
}
