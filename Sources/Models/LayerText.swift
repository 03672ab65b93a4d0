// Layers and training as lines of a file, and back. What is read is checked like what a user says.
import MartletKernelInterface
import MartletOptimizers
import MartletPlatform

extension Layer {
    var line: NumberLine {
        var line = NumberLine()
        line.add("kind", Int(kind.rawValue))
        line.add("activation", Int(activation.rawValue))
        line.add("flags", Int(flags.rawValue))
        line.add("units", units)
        line.add("kernel", kernel.height, kernel.width)
        line.add("stride", stride.height, stride.width)
        line.add("dilation", dilation.height, dilation.width)
        line.add("pads", pads[0], pads[1], pads[2], pads[3])
        line.add("groups", groups)
        line.add("padding", Int(padding.rawValue))
        for (place, size) in sizes.enumerated() { line.add("size\(place)", size) }
        if kind == .embedding { line.add("vocabulary", vocabulary) }
        if kind == .embedding && stillRow >= 0 { line.add("still_row", stillRow) }
        if kind == .tiedDense { line.add("table", table) }
        if kind == .concatenate { line.add("axis", axis) }
        if kind == .conv2DTranspose { line.add("output_padding", outputPadding.height, outputPadding.width) }
        if kind == .rescaling {
            line.add("scale", bits: scale)
            line.add("offset", bits: offset)
        }
        if kind == .masking { line.add("offset", bits: offset) }
        if kind.isRecurrent {
            line.add("recurrent_activation", Int(recurrentActivation.rawValue))
            line.add("recurrent_initializer", Int(recurrentInitializer.rawValue))
            line.add("recurrent_value", bits: recurrentValue)
            if rate != 0 { line.add("input_rate", bits: rate) }
            if recurrentRate != 0 { line.add("recurrent_rate", bits: recurrentRate) }
        }
        if kind == .randomTranslation && offset != 0 { line.add("offset", bits: offset) }
        if l1 != 0 { line.add("l1", bits: l1) }
        if l2 != 0 { line.add("l2", bits: l2) }
        line.add("kernel_initializer", Int(kernelInitializer.rawValue))
        line.add("bias_initializer", Int(biasInitializer.rawValue))
        line.add("rate", bits: rate)
        line.add("slope", bits: slope)
        line.add("momentum", bits: momentum)
        line.add("epsilon", bits: epsilon)
        line.add("kernel_value", bits: kernelValue)
        line.add("bias_value", bits: biasValue)
        return line
    }

    /// nil where the line lacks a field or holds one that cannot be.
    init?(_ line: NumberLine, name: String) {
        guard let kind: LayerKind = line.choice("kind"), let activation: Activation = line.choice("activation"),
            let flags = line.integer("flags").flatMap(UInt32.init(exactly:)), flags & ~LayerFlags.all.rawValue == 0,
            let units = line.integer("units"), let kernel = line.pair("kernel"), let stride = line.pair("stride"),
            let dilation = line.pair("dilation"), let pads = line.integers("pads"), pads.count == 4,
            let groups = line.integer("groups"), let padding: Padding = line.choice("padding"),
            let kernelInitializer: Initializer = line.choice("kernel_initializer"),
            let biasInitializer: Initializer = line.choice("bias_initializer"), let rate = line.double("rate"),
            let slope = line.double("slope"), let momentum = line.double("momentum"),
            let epsilon = line.double("epsilon"), let kernelValue = line.double("kernel_value"),
            let biasValue = line.double("bias_value")
        else { return nil }
        self.init(kind)
        (self.activation, self.flags, self.units) = (activation, LayerFlags(rawValue: flags), units)
        (self.kernel, self.stride, self.dilation) = (kernel, stride, dilation)
        self.pads = [pads[0], pads[1], pads[2], pads[3]]
        (self.groups, self.padding) = (groups, padding)
        (self.kernelInitializer, self.biasInitializer) = (kernelInitializer, biasInitializer)
        (self.rate, self.slope, self.momentum, self.epsilon) = (rate, slope, momentum, epsilon)
        (self.kernelValue, self.biasValue) = (kernelValue, biasValue)
        for place in 0..<Shape.maximumRank {
            guard let size = line.integer("size\(place)") else { break }
            sizes.append(size)
        }
        vocabulary = line.integer("vocabulary") ?? vocabulary
        stillRow = line.integer("still_row") ?? stillRow
        table = line.integer("table") ?? table
        axis = line.integer("axis") ?? axis
        outputPadding = line.pair("output_padding") ?? outputPadding
        scale = line.double("scale") ?? scale
        l1 = line.double("l1") ?? l1
        l2 = line.double("l2") ?? l2
        offset = line.double("offset") ?? offset
        recurrentActivation = line.choice("recurrent_activation") ?? recurrentActivation
        recurrentInitializer = line.choice("recurrent_initializer") ?? recurrentInitializer
        recurrentValue = line.double("recurrent_value") ?? recurrentValue
        // What older files say is of no use there.
        if kind.isRecurrent { self.rate = line.double("input_rate") ?? 0 }
        recurrentRate = line.double("recurrent_rate") ?? recurrentRate
        self.name = name
    }
}

extension Training {
    var line: NumberLine {
        var line = NumberLine()
        line.add("loss", Int(loss.rawValue))
        line.add("from", Int(from.rawValue))
        line.add("metrics", Int(metrics.rawValue))
        line.add("batch_size", batchSize)
        line.add("top", top)
        line.add("label_smoothing", bits: labelSmoothing)
        line.add("delta", bits: delta)
        if stateType != .fp32 { line.add("state_dtype", Int(stateType.rawValue)) }
        if loss.isFocal {
            line.add("gamma", bits: gamma)
            line.add("alpha", bits: alpha)
        }
        if weight != 1 { line.add("weight", bits: weight) }
        return line
    }

    init?(_ line: NumberLine) {
        guard let loss: LossKind = line.choice("loss"), let from: OutputMeaning = line.choice("from"),
            let metrics = line.integer("metrics").flatMap(UInt32.init(exactly:)),
            metrics & ~Metrics.all.rawValue == 0, let batchSize = line.integer("batch_size"),
            let top = line.integer("top"), let labelSmoothing = line.double("label_smoothing"),
            let delta = line.double("delta"), let stateType = StateType(line.integer("state_dtype"))
        else { return nil }
        self.init(loss)
        (self.from, self.metrics) = (from, Metrics(rawValue: metrics))
        (self.batchSize, self.top) = (batchSize, top)
        (self.labelSmoothing, self.delta, self.stateType) = (labelSmoothing, delta, stateType)
        gamma = line.double("gamma") ?? gamma
        alpha = line.double("alpha") ?? alpha
        weight = line.double("weight") ?? weight
    }
}
