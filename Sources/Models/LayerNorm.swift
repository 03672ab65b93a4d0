// y = scale (x - mean) / sqrt(variance + epsilon) + shift, with the mean and variance of each row, the last size; or with 0 for
// mean and shift; or of each group of channels of a sample.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

class LayerNorm: Operation {
    fileprivate let epsilon: Float
    private let isCentered: Bool
    private let columns: Shape
    private let hasScale: Bool
    private let hasShift: Bool

    init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        epsilon = Float(layer.epsilon)
        columns = try Shape([input.last], subject)
        hasScale = !layer.flags.contains(.noScale)
        isCentered = layer.kind != .rmsNorm
        hasShift = isCentered && !layer.flags.contains(.noBias)
        super.init(inputs: [input], output: input)
    }

    override var parameters: [ArrayDescription] {
        let scale = ArrayDescription(name: "gamma", shape: columns, initializer: .constant, value: 1)
        let shift = ArrayDescription(name: "beta", shape: columns)
        return (hasScale ? [scale] : []) + (hasShift ? [shift] : [])
    }

    override var needsInput: Bool { true }
    /// The scale's gradient is worked out there.
    override var givesInputGradient: Bool { hasScale }
    override func savedCount(batch: Int) -> Int { 2 * batch * input.outerCount }

    fileprivate func scale(_ base: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float>? {
        unsafe hasScale ? base : nil
    }

    fileprivate func shift(_ base: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float>? {
        unsafe hasShift ? base + (hasScale ? columns.last : 0) : nil
    }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        unsafe call([input.outerCount, 1, columns.last, 1], parameters)
    }

    /// numbers: samples, places, channels, groups.
    fileprivate func call(_ numbers: [Int], _ parameters: UnsafePointer<Float>) -> [CCall] {
        let channels = columns.last
        let scale = unsafe CArray(hasScale ? parameters : nil, channels, otherwise: 1)
        let shift = unsafe CArray(hasShift ? parameters + (hasScale ? channels : 0) : nil, channels)
        return [CCall(.normalize, numbers + [isCentered ? 1 : 0], [scale, shift, CArray([epsilon])])]
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.run(
            LayerNormRequest(
                rows: pass.batch * input.outerCount, columns: columns.last, epsilon: epsilon, isCentered: isCentered,
                x: pass.input,
                scale: scale(pass.parameters).map { unsafe UnsafePointer($0) },
                shift: shift(pass.parameters).map { unsafe UnsafePointer($0) }, saved: pass.saved, y: pass.output))
    }

    override func backward(_ pass: BackwardPass) {
        let forward = unsafe pass.forward
        let (rows, columns) = unsafe (forward.batch * input.outerCount, columns.last)
        if let base = unsafe pass.parameterGradients {
            if let out = unsafe shift(base) {
                unsafe forward.execution.columnSums(rows: rows, columns: columns, x: pass.gradient, out: out)
            }
            if let out = unsafe scale(base), let products = unsafe pass.inputGradient {
                unsafe multiply(pass, to: products)
                unsafe forward.execution.columnSums(rows: rows, columns: columns, x: products, out: out)
            }
        }
        if let out = unsafe pass.inputGradient { unsafe goBack(pass, to: out) }
    }

    /// What the scale's gradient is the sum of.
    fileprivate func multiply(_ pass: BackwardPass, to out: UnsafeMutablePointer<Float>) {
        let forward = unsafe pass.forward
        unsafe forward.execution.run(
            LayerNormProductsRequest(
                rows: forward.batch * input.outerCount, columns: columns.last, x: forward.input, saved: forward.saved,
                gradient: pass.gradient, out: out))
    }

    /// The input's gradient.
    fileprivate func goBack(_ pass: BackwardPass, to out: UnsafeMutablePointer<Float>) {
        let forward = unsafe pass.forward
        unsafe forward.execution.run(
            LayerNormBackwardRequest(
                rows: forward.batch * input.outerCount, columns: columns.last, isCentered: isCentered, x: forward.input,
                scale: scale(forward.parameters).map { unsafe UnsafePointer($0) }, saved: forward.saved,
                gradient: pass.gradient, out: out))
    }
}

final class GroupNorm: LayerNorm {
    private let groups: ChannelGroups

    override init(_ layer: Layer, input: Shape, _ subject: String) throws(MartletError) {
        groups = ChannelGroups(places: input.outerCount, channels: input.last, groups: layer.groups)
        guard input.last % layer.groups == 0 else {
            throw MartletError(
                .shape,
                "\(subject)'s input has \(input.last) channels; expected a multiple of groups, \(layer.groups)")
        }
        try super.init(layer, input: input, subject)
    }

    override func savedCount(batch: Int) -> Int { 2 * batch * groups.groups }

    override func calls(parameters: UnsafePointer<Float>, statistics: UnsafePointer<Float>) -> [CCall]? {
        unsafe call([1, input.outerCount, input.last, groups.groups], parameters)
    }

    override func forward(_ pass: ForwardPass) {
        unsafe pass.execution.run(
            GroupNormRequest(
                batch: pass.batch, groups, epsilon: epsilon, x: pass.input,
                scale: scale(pass.parameters).map { unsafe UnsafePointer($0) },
                shift: shift(pass.parameters).map { unsafe UnsafePointer($0) }, saved: pass.saved, y: pass.output))
    }

    override fileprivate func multiply(_ pass: BackwardPass, to out: UnsafeMutablePointer<Float>) {
        unsafe run(pass, givesProducts: true, to: out)
    }

    override fileprivate func goBack(_ pass: BackwardPass, to out: UnsafeMutablePointer<Float>) {
        unsafe run(pass, givesProducts: false, to: out)
    }

    private func run(_ pass: BackwardPass, givesProducts: Bool, to out: UnsafeMutablePointer<Float>) {
        let forward = unsafe pass.forward
        unsafe forward.execution.run(
            GroupNormBackwardRequest(
                batch: forward.batch, groups, givesProducts: givesProducts, x: forward.input,
                scale: scale(forward.parameters).map { unsafe UnsafePointer($0) }, saved: forward.saved,
                gradient: pass.gradient, out: out))
    }
}
