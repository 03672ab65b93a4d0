// A network that reads handwritten digits: two hidden layers and dropout, trained on four fifths of the images in
// ../C/digits.csv, tested on the rest, saved, and loaded again. It is the network of ../C/digits.c, and ends with the
// same fingerprint.
import Glibc
import MartletModels

let pixelCount = 64  // 8 x 8
let classCount = 10

struct Images {
    /// One image behind the other, from 0 to 1.
    var pixels: [Float] = []
    var digits: [Int32] = []
}

/// One image a line, 64 pixels from 0 to 16 and the digit; every fifth image is kept for the test.
func readImages(_ path: String) -> (training: Images, test: Images) {
    guard let file = fopen(path, "r") else {
        stop("\(path) cannot be opened: run this in Examples/Swift, or say where it is")
    }
    defer { fclose(file) }
    var images = (training: Images(), test: Images())
    var index = 0
    while let line = readLine(of: file) {
        if line.hasPrefix("#") { continue }
        let numbers = line.split(separator: ",").compactMap { Float($0) }
        guard numbers.count == pixelCount + 1 && numbers.allSatisfy({ $0 >= 0 && $0 <= 16 }) else {
            stop("\(path): image \(index + 1) is not \(pixelCount) pixels of 0 to 16 and a digit")
        }
        func add(to images: inout Images) {
            images.pixels += numbers.dropLast().map { $0 / 16 }
            images.digits.append(Int32(numbers[pixelCount]))
        }
        if index % 5 == 0 { add(to: &images.test) } else { add(to: &images.training) }
        index += 1
    }
    return images
}

func stop(_ reason: String) -> Never {
    print(reason)
    exit(1)
}

func readLine(of file: UnsafeMutablePointer<FILE>) -> String? {
    var line = [CChar](repeating: 0, count: 512)
    guard fgets(&line, Int32(line.count), file) != nil else { return nil }
    return String(
        decoding: line.prefix { $0 != 0 && $0 != 10 && $0 != 13 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

func makeNetwork() throws -> Model {
    let model = try Model(input: Shape([pixelCount]), seed: 2026)
    var dropout = Layer(.dropout)
    dropout.rate = 0.2
    try model.add(.dense(256, activation: .relu))
    try model.add(dropout)
    try model.add(.dense(64, activation: .relu))
    try model.add(.dense(classCount))
    return model
}

func train(_ model: Model, on images: Images) throws {
    var training = Training(.crossEntropy)
    training.metrics = Metrics(.accuracy)
    try model.compile(training)  // with Adam and its defaults
    var loop = Loop()
    loop.epochs = 30
    loop.progress = { progress in
        if progress.batch == progress.batches && (progress.epoch + 1) % 3 == 0 {
            print("epoch \(progress.epoch + 1)  loss \(rounded(progress.loss))  accuracy \(rounded(progress.accuracy))")
        }
        return true
    }
    try model.fit(images.pixels, images.digits, loop)
}

func rounded(_ number: Double) -> Double { (number * 1e4).rounded() / 1e4 }

/// A number made of every bit of the network's output.
func fingerprint(_ model: Model, of images: Images) throws -> UInt64 {
    try model.predict(images.pixels).withUnsafeBytes { bytes in
        bytes.reduce(0xCBF2_9CE4_8422_2325) { hash, byte in (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }
}

@main
struct Digits {
    static func main() throws {
        let images = readImages(CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : "../C/digits.csv")
        print("\(images.training.digits.count) images to learn from, \(images.test.digits.count) to be tested with")
        let model = try makeNetwork()
        try train(model, on: images.training)

        let path = "digits-\(getpid()).safetensors"
        defer { unlink(path) }
        try model.save(to: path)
        let loaded = try Model.load(from: path)
        let (before, after) = (try fingerprint(model, of: images.test), try fingerprint(loaded, of: images.test))
        let accuracy = try loaded.evaluate(images.test.pixels, images.test.digits).score.accuracy
        print("\(rounded(accuracy)) of the test images are read right")
        print("the output's fingerprint is \(String(before, radix: 16)), and \(String(after, radix: 16)) when loaded")
        if !(accuracy >= 0.97 && before == after) { exit(1) }
    }
}
