// martlet_layer, martlet_training and martlet_array become the words of Models, and back.
import CMartlet
import MartletModels
import MartletOptimizers
import MartletPlatform

extension martlet_layer {
    init(_ layer: Layer) {
        unsafe self.init()
        unsafe struct_size = UInt32(MemoryLayout<martlet_layer>.size)
        unsafe kind = layer.kind.rawValue
        unsafe activation = layer.activation.rawValue
        unsafe flags = layer.flags.rawValue
        unsafe units = Int64(layer.units)
        unsafe kernel = layer.kernel.numbers
        unsafe stride = layer.stride.numbers
        unsafe dilation = layer.dilation.numbers
        unsafe pads = (Int64(layer.pads[0]), Int64(layer.pads[1]), Int64(layer.pads[2]), Int64(layer.pads[3]))
        unsafe groups = Int64(layer.groups)
        unsafe padding = layer.padding.rawValue
        unsafe rank = Int32(layer.sizes.count)
        unsafe sizes = numbers(layer.sizes)
        unsafe rate = layer.rate
        unsafe slope = layer.slope
        unsafe momentum = layer.momentum
        unsafe epsilon = layer.epsilon
        unsafe kernel_initializer = layer.kernelInitializer.rawValue
        unsafe bias_initializer = layer.biasInitializer.rawValue
        unsafe kernel_value = layer.kernelValue
        unsafe bias_value = layer.biasValue
        unsafe vocabulary = Int64(layer.vocabulary)
        unsafe axis = Int32(layer.axis)
        unsafe table = Int32(layer.table)
        unsafe scale = layer.scale
        unsafe offset = layer.offset
        unsafe output_padding = layer.outputPadding.numbers
        unsafe l1 = layer.l1
        unsafe l2 = layer.l2
        unsafe recurrent_activation = layer.recurrentActivation.rawValue
        unsafe recurrent_initializer = layer.recurrentInitializer.rawValue
        unsafe recurrent_value = layer.recurrentValue
        unsafe recurrent_rate = layer.recurrentRate
        unsafe still_row = Int64(layer.stillRow)
    }
}

/// Eight sizes, 0 where there are fewer.
func numbers(_ sizes: [Int]) -> (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64) {
    func size(_ place: Int) -> Int64 { place < sizes.count ? Int64(sizes[place]) : 0 }
    return (size(0), size(1), size(2), size(3), size(4), size(5), size(6), size(7))
}

extension Pair {
    fileprivate var numbers: (Int64, Int64) { (Int64(height), Int64(width)) }

    fileprivate init(_ numbers: (Int64, Int64)) { self.init(Int(numbers.0), Int(numbers.1)) }
}

/// The value of a numbered choice. Throws where the number is none.
func choice<Choice: RawRepresentable<Int32>>(
    _ number: Int32, _ subject: @autoclosure () -> String, _ expected: StaticString
) throws(MartletError) -> Choice {
    guard let value = Choice(rawValue: number) else {
        throw MartletError(.argument, "\(subject()) is \(number); expected \(expected)")
    }
    return value
}

extension Layer {
    /// Reads a caller's layer; ranges are checked where it is added.
    init(_ layer: UnsafePointer<martlet_layer>?) throws(MartletError) {
        let raw = try unsafe martlet_layer.reading(layer, "layer") { raw throws(MartletError) in
            unsafe martlet_layer(
                Layer(try choice(raw.kind, "layer.kind", "MARTLET_LAYER_DENSE or another of its kind")))
        }
        self.init(try choice(unsafe raw.kind, "layer.kind", "MARTLET_LAYER_DENSE or another of its kind"))
        activation = try unsafe choice(raw.activation, "layer.activation", "MARTLET_ACTIVATION_...")
        padding = try unsafe choice(raw.padding, "layer.padding", "MARTLET_PADDING_...")
        kernelInitializer = try unsafe choice(
            raw.kernel_initializer, "layer.kernel_initializer", "MARTLET_INITIALIZER_...")
        biasInitializer = try unsafe choice(raw.bias_initializer, "layer.bias_initializer", "MARTLET_INITIALIZER_...")
        guard unsafe raw.flags & ~LayerFlags.all.rawValue == 0 else {
            throw unsafe MartletError(
                .argument, "layer.flags is \(raw.flags); expected a sum of MARTLET_NO_BIAS and its like")
        }
        flags = unsafe LayerFlags(rawValue: raw.flags)
        units = unsafe Int(raw.units)
        kernel = unsafe Pair(raw.kernel)
        stride = unsafe Pair(raw.stride)
        dilation = unsafe Pair(raw.dilation)
        pads = unsafe [Int(raw.pads.0), Int(raw.pads.1), Int(raw.pads.2), Int(raw.pads.3)]
        groups = unsafe Int(raw.groups)
        if kind == .reshape || kind == .permute || kind == .input || kind == .own {
            let all = unsafe [
                raw.sizes.0, raw.sizes.1, raw.sizes.2, raw.sizes.3, raw.sizes.4, raw.sizes.5, raw.sizes.6, raw.sizes.7,
            ]
            guard unsafe raw.rank >= 1 && raw.rank <= 8 else {
                throw unsafe MartletError(.shape, "layer.rank is \(raw.rank); expected 1 to 8")
            }
            sizes = unsafe all.prefix(Int(raw.rank)).map { Int($0) }
        }
        rate = unsafe raw.rate
        slope = unsafe raw.slope
        momentum = unsafe raw.momentum
        epsilon = unsafe raw.epsilon
        kernelValue = unsafe raw.kernel_value
        biasValue = unsafe raw.bias_value
        vocabulary = unsafe Int(raw.vocabulary)
        axis = unsafe Int(raw.axis)
        table = unsafe Int(raw.table)
        scale = unsafe raw.scale
        offset = unsafe raw.offset
        outputPadding = unsafe Pair(raw.output_padding)
        l1 = unsafe raw.l1
        l2 = unsafe raw.l2
        recurrentActivation = try unsafe choice(
            raw.recurrent_activation, "layer.recurrent_activation", "MARTLET_ACTIVATION_...")
        recurrentInitializer = try unsafe choice(
            raw.recurrent_initializer, "layer.recurrent_initializer", "MARTLET_INITIALIZER_...")
        recurrentValue = unsafe raw.recurrent_value
        recurrentRate = unsafe raw.recurrent_rate
        stillRow = unsafe Int(raw.still_row)
        name = try unsafe raw.name.map { text throws(MartletError) in try unsafe Layer.name(text) }
    }

    /// Reads a name no further than one byte past the longest that may be.
    private static func name(_ text: UnsafePointer<CChar>) throws(MartletError) -> String {
        var count = 0
        while count <= longestName, unsafe text[count] != 0 { count += 1 }
        let bytes = unsafe UnsafeRawBufferPointer(start: text, count: count)
        if let place = unsafe Bytes.firstInvalid(bytes), count <= longestName {
            throw MartletError(.argument, "layer.name is not UTF-8 at byte \(place); expected UTF-8")
        }
        return unsafe String(decoding: bytes, as: UTF8.self)
    }
}

extension martlet_training {
    init(_ training: Training) {
        self.init(
            struct_size: UInt32(MemoryLayout<martlet_training>.size), loss: training.loss.rawValue,
            from: training.from.rawValue, metrics: training.metrics.rawValue, batch_size: Int64(training.batchSize),
            top: Int32(training.top), state_dtype: training.stateType.rawValue,
            label_smoothing: training.labelSmoothing, delta: training.delta, gamma: training.gamma,
            alpha: training.alpha, weight: training.weight)
    }
}

extension Training {
    /// Reads a caller's, one for each of a model's outputs; ranges are checked by compile.
    static func reading(_ training: UnsafePointer<martlet_training>?, outputs count: Int) throws(MartletError)
        -> [Training]
    {
        if count == 1 { return [try unsafe Training(training, "training")] }
        let list = try unsafe StructList(required(training, "training"), "training")
        var read: [Training] = []
        for number in 0..<count { read.append(try unsafe Training(list.address(number), "training[\(number)]")) }
        return read
    }

    private init(
        _ training: UnsafePointer<martlet_training>?, _ name: @autoclosure () -> String
    ) throws(MartletError) {
        let expected: StaticString = "MARTLET_LOSS_CROSS_ENTROPY or another of its kind"
        let raw = try unsafe martlet_training.reading(training, name()) { raw throws(MartletError) in
            martlet_training(Training(try choice(raw.loss, "\(name()).loss", expected)))
        }
        self.init(try choice(raw.loss, "\(name()).loss", expected))
        from = try choice(raw.from, "\(name()).from", "MARTLET_FROM_...")
        guard raw.metrics & ~Metrics.all.rawValue == 0 else {
            throw MartletError(
                .argument,
                "\(name()).metrics is \(raw.metrics); expected a sum of 1 << MARTLET_METRIC_ACCURACY and its like")
        }
        guard let type = StateType(Int(raw.state_dtype)) else {
            throw MartletError(
                .type,
                "\(name()).state_dtype is \(raw.state_dtype); expected MARTLET_FP32, MARTLET_BF16, MARTLET_FP16, "
                    + "MARTLET_FLOAT16, MARTLET_FLOAT8 or MARTLET_FLOAT4")
        }
        stateType = type
        metrics = Metrics(rawValue: raw.metrics)
        batchSize = Int(raw.batch_size)
        top = Int(raw.top)
        labelSmoothing = raw.label_smoothing
        delta = raw.delta
        (gamma, alpha, weight) = (raw.gamma, raw.alpha, raw.weight)
    }
}

extension Model {
    /// Calls `body` with a caller's contiguous arrays, one for each input. Allocates nothing but where more calls are
    /// under way than ever before; as its like below.
    func reading<Result>(
        _ pointer: UnsafePointer<martlet_array>?, _ name: StaticString,
        _ body: (SampleArrays) throws(MartletError) -> Result
    ) throws(MartletError) -> Result {
        let arrays = spareArrays.take() ?? SampleArrays(name: name)
        defer { spareArrays.give(arrays) }
        try unsafe arrays.read(pointer, count: inputCount, name)
        return try body(arrays)
    }

    /// The same with samples and what they should give, an array for each output.
    func reading<Result>(
        _ x: UnsafePointer<martlet_array>?, _ xName: StaticString, _ y: UnsafePointer<martlet_array>?,
        _ yName: StaticString, _ body: (_ x: SampleArrays, _ y: SampleArrays) throws(MartletError) -> Result
    ) throws(MartletError) -> Result {
        try unsafe reading(x, xName) { x throws(MartletError) in
            let arrays = spareArrays.take() ?? SampleArrays(name: yName)
            defer { spareArrays.give(arrays) }
            try unsafe arrays.read(y, count: outputCount, yName)
            return try body(x, arrays)
        }
    }
}

extension SampleArrays {
    /// Takes a caller's arrays in place of those of the call before.
    fileprivate func read(_ pointer: UnsafePointer<martlet_array>?, count: Int, _ name: StaticString)
        throws(MartletError)
    {
        begin(name: name)
        let base = unsafe try required(pointer, "\(name)")
        for number in 0..<count {
            try unsafe append(Samples(base + number, count == 1 ? "\(name)" : "\(name)[\(number)]"))
        }
    }
}

extension Samples {
    /// The same of an array that may be left out.
    init?(optional pointer: UnsafePointer<martlet_array>?, _ name: @autoclosure () -> String) throws(MartletError) {
        guard unsafe pointer != nil else { return nil }
        unsafe self = try unsafe Samples(pointer, name())
    }

    /// Reads a caller's contiguous array.
    init(
        _ pointer: UnsafePointer<martlet_array>?, _ name: @autoclosure () -> String
    ) throws(MartletError) {
        let array = try unsafe required(pointer, name()).pointee
        guard let type = unsafe SampleType(rawValue: array.dtype) else {
            throw unsafe MartletError(
                .type,
                "\(name()).dtype is \(array.dtype); expected MARTLET_FP32, or for whole numbers MARTLET_INT32, "
                    + "MARTLET_INT64 or MARTLET_UINT8")
        }
        guard unsafe array.scales == nil && array.block == 0 && array.scale_dtype == 0 else {
            throw MartletError(.unsupported, "\(name()) has scales, block or scale_dtype set; expected NULL and 0")
        }
        guard unsafe array.reserved == 0 else {
            throw unsafe MartletError(.structure, "\(name()).reserved is \(array.reserved); expected 0")
        }
        guard unsafe array.count >= 0 && array.count <= 1 << 56 else {
            throw unsafe MartletError(.shape, "\(name()).count is \(array.count); expected 0 to 2^56")
        }
        if unsafe array.rank != 0 { try unsafe array.checkContiguous(name()) }
        unsafe self.init(
            base: array.data, count: Int(array.count), type: type, sizes: array.sizes, rank: Int(array.rank))
    }
}

extension martlet_array {
    /// Throws where the strides are not those of rows one after another, or the sizes are not the count's.
    fileprivate func checkContiguous(_ name: @autoclosure () -> String) throws(MartletError) {
        guard unsafe rank >= 1 && rank <= 64 else {
            throw unsafe MartletError(.shape, "\(name()).rank is \(rank); expected 0 to 64")
        }
        let sizes = try unsafe required(sizes, "\(name()).sizes")
        let strides = try unsafe required(strides, "\(name()).strides")
        var product = 1
        for dimension in unsafe (0..<Int(rank)).reversed() {
            let size = unsafe Int(sizes[dimension])
            guard size >= 0 else {
                throw MartletError(.shape, "\(name()).sizes[\(dimension)] is \(size); expected 0 or more")
            }
            guard unsafe size <= 1 || Int(strides[dimension]) == product else {
                throw unsafe MartletError(
                    .shape,
                    "\(name()).strides[\(dimension)] is \(strides[dimension]); expected \(product): samples are contiguous"
                )
            }
            let (next, overflow) = product.multipliedReportingOverflow(by: size)
            guard !overflow else { throw MartletError(.shape, "\(name()).sizes multiply to more than 2^63") }
            product = next
        }
        guard unsafe product == Int(count) else {
            throw unsafe MartletError(
                .shape, "\(name()).count is \(count); expected \(product), the product of its sizes")
        }
    }
}
