// A network with one hidden layer learns the sine, trained with AdamW. Shown: parameters in memory of one's own, a
// group that decays and one that does not, a learning-rate schedule, a checkpoint, and what an error looks like.
//
// The gradients are worked out by hand; Martlet takes the steps.
import Glibc
import MartletOptimizers

typealias Floats = UnsafeMutableBufferPointer<Float>

func zeros(_ count: Int) -> Floats {
    let floats = Floats.allocate(capacity: count)
    floats.initialize(repeating: 0)
    return floats
}

/// y = output · tanh(input x + bias) + shift, with the gradient of each parameter beside it.
struct Network {
    static let width = 32
    let names = ["input", "bias", "output", "shift"]
    let parameters = [zeros(width), zeros(width), zeros(width), zeros(1)]
    let gradients = [zeros(width), zeros(width), zeros(width), zeros(1)]

    init() {
        for unit in 0..<Network.width {
            let place = Float(unit) / Float(Network.width) - 0.5
            parameters[0][unit] = 1 + place
            parameters[1][unit] = 6 * place
            parameters[2][unit] = unit % 2 == 0 ? 0.1 : -0.1
        }
    }

    /// The mean squared error over 64 points from -3 to 3; fills the gradients.
    func loss() -> Float {
        for gradient in gradients { gradient.update(repeating: 0) }
        let count = 64
        var sum: Float = 0
        for point in 0..<count {
            let x = Float(point) / Float(count - 1) * 6 - 3
            let hidden = (0..<Network.width).map { tanh(parameters[0][$0] * x + parameters[1][$0]) }
            var error = parameters[3][0] - sin(x)
            for unit in hidden.indices { error += parameters[2][unit] * hidden[unit] }
            sum += error * error
            let scale = 2 * error / Float(count)
            gradients[3][0] += scale
            for unit in hidden.indices {
                let inner = scale * parameters[2][unit] * (1 - hidden[unit] * hidden[unit])
                gradients[0][unit] += inner * x
                gradients[1][unit] += inner
                gradients[2][unit] += scale * hidden[unit]
            }
        }
        return sum / Float(count)
    }

    /// The optimizer borrows the parameters' memory and owns their moments.
    func makeOptimizer() throws -> Optimizer {
        var weights = Configuration(.adamW)
        weights.lr = 0.02
        weights.weightDecay = 1e-4
        var biases = weights
        biases.weightDecay = 0
        let optimizer = try Optimizer(weights)
        let biasGroup = try optimizer.addGroup(biases)
        for (index, name) in names.enumerated() {
            try optimizer.add(ArrayView(parameters[index]), name: name, group: index % 2 == 1 ? biasGroup : 0)
        }
        return optimizer
    }
}

@main
struct Sine {
    static func main() throws {
        let network = Network()
        var optimizer = try network.makeOptimizer()
        let path = "sine-\(getpid()).safetensors"
        defer { unlink(path) }
        let steps = 2000
        let schedule = Schedule.cosine(0.02, steps: Double(steps))  // down to nothing along half a cosine
        for step in 0..<steps {
            let rate = try schedule.rate(at: step)
            for group in 0..<optimizer.groupCount { try optimizer.set(.lr, to: rate, group: group) }
            let loss = network.loss()
            if step % 400 == 0 { print("step \(step)  loss \(loss)") }
            try optimizer.step(network.gradients.map { ArrayView($0) })
            if step == steps / 2 {
                // Stop here, and go on with an optimizer that knows only the file.
                try optimizer.save(to: path)
                optimizer = try network.makeOptimizer()
                try optimizer.load(from: path)
            }
        }
        let loss = network.loss()
        print("step \(steps)  loss \(loss)")

        do {
            try optimizer.set(.beta1, to: 1.5)
        } catch {
            print("refused: \(error)")
        }
        if !(loss < 1e-4) {
            print("the loss is \(loss); expected less than 1e-4")
            exit(1)
        }
    }
}
