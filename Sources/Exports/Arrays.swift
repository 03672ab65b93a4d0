// martlet_array becomes the engines' ArrayView. Addresses, counts and shapes are checked by the engines; here, only
// what the engines have no word for: types and fields that this version does not serve.
import CMartlet
import MartletOptimizers
import MartletPlatform

extension ArrayView {
    /// isState: whether it may be of codes with scales.
    init(_ array: martlet_array, isState: Bool = false, _ subject: () -> String) throws(MartletError) {
        if isState, let small = unsafe SmallType(rawValue: array.dtype) {
            try unsafe self.init(array, small, subject)
            return
        }
        guard let type = unsafe ElementType(rawValue: array.dtype) else {
            throw unsafe array.typeError(subject(), isState: isState)
        }
        guard unsafe array.scales == nil && array.block == 0 && array.scale_dtype == 0 else {
            throw MartletError(
                .unsupported, "\(subject()) has scales, block or scale_dtype set; expected NULL and 0 for \(type)")
        }
        guard unsafe array.reserved == 0 else {
            throw unsafe MartletError(.structure, "\(subject()).reserved is \(array.reserved); expected 0")
        }
        unsafe self.init(
            base: array.data, count: Int(array.count), type: type, rank: Int(array.rank), sizes: array.sizes,
            strides: array.strides)
    }
}

extension ArrayView {
    /// Codes; an array without any, which says a type alone, need not say how scales lie.
    private init(_ array: martlet_array, _ type: SmallType, _ subject: () -> String) throws(MartletError) {
        let saysNothing = unsafe array.data == nil && array.scales == nil
        guard
            unsafe array.block == type.block || saysNothing && array.block == 0,
            unsafe array.scale_dtype == MARTLET_FP32 || saysNothing && array.scale_dtype == 0
        else {
            throw unsafe MartletError(
                .argument,
                "\(subject()).block is \(array.block) and scale_dtype \(array.scale_dtype); expected \(type.block) and "
                    + "MARTLET_FP32 for \(type)")
        }
        guard unsafe array.reserved == 0 else {
            throw unsafe MartletError(.structure, "\(subject()).reserved is \(array.reserved); expected 0")
        }
        unsafe self.init(codes: array.data, scales: array.scales, count: Int(array.count), small: type)
        unsafe (rank, sizes, strides) = unsafe (Int(array.rank), array.sizes, array.strides)
    }
}

extension martlet_array {
    fileprivate func typeError(_ subject: String, isState: Bool) -> MartletError {
        let small = isState ? ", MARTLET_FLOAT16, UFLOAT16, FLOAT8, UFLOAT8, FLOAT4 or UFLOAT4" : " or MARTLET_FP16"
        return unsafe MartletError(
            .type,
            "\(subject).dtype is \(dtype); expected MARTLET_FP64, MARTLET_FP32, MARTLET_BF16\(isState ? ", MARTLET_FP16" : "")"
                + small)
    }

    /// A view of memory that the library owns.
    init(_ view: ArrayView) {
        unsafe self.init()
        unsafe data = view.base
        unsafe count = Int64(view.count)
        unsafe dtype = view.small?.rawValue ?? view.type.rawValue
        if let small = unsafe view.small {
            unsafe scales = unsafe view.scales
            unsafe block = Int32(small.block)
            unsafe scale_dtype = MARTLET_FP32
        }
    }
}

extension martlet_parameter {
    /// Throws where a field is set that this version does not serve.
    func checkReserved(_ subject: @autoclosure () -> String) throws(MartletError) {
        guard unsafe flags == 0 else {
            throw unsafe MartletError(.unsupported, "\(subject()).flags is \(flags); expected 0")
        }
        let words = unsafe reserved
        guard unsafe words.0 | words.1 | words.2 == 0 && step_reserved == 0 else {
            throw MartletError(.structure, "\(subject()).reserved is set; expected 0")
        }
    }
}

extension martlet_parameter {
    /// The dimensions that a plan needs room for; nothing is trusted but the addresses.
    var rankRoom: Int {
        var room = unsafe max(StepPlan.rankRoom(Int(value.rank)), StepPlan.rankRoom(Int(grad.rank)))
        if let copy = unsafe copy, UInt(bitPattern: copy) % 8 == 0 {
            room = unsafe max(room, StepPlan.rankRoom(Int(copy.pointee.rank)))
        }
        if let state = unsafe state, UInt(bitPattern: state) % 8 == 0 {
            for slot in unsafe 0..<Int(min(max(state_count, 0), Int64(ParameterView.maximumStateCount))) {
                room = unsafe max(room, StepPlan.rankRoom(Int(state[slot].rank)))
            }
        }
        return room
    }
}

extension martlet_parameter {
    /// The rows that the gradient is of; nil where it is dense.
    var gradientRows: GradientRows? {
        unsafe rows == nil && row_count == 0 ? nil : GradientRows(numbers: rows, count: Int(row_count))
    }

    /// The number that shows the steps taken; nil where there is none.
    func shownStep(_ subject: (String) -> String) throws(MartletError) -> ShownStep? {
        guard let address = unsafe step_shown else {
            guard unsafe step_shown_dtype == 0 else {
                throw unsafe MartletError(
                    .type, "\(subject("step_shown_dtype")) is \(step_shown_dtype); expected 0 where step_shown is NULL")
            }
            return nil
        }
        let type = unsafe ElementType(rawValue: step_shown_dtype)
        guard let type, type == .fp32 || type == .fp64 else {
            throw unsafe MartletError(
                .type, "\(subject("step_shown_dtype")) is \(step_shown_dtype); expected MARTLET_FP32 or MARTLET_FP64")
        }
        guard UInt(bitPattern: address) % UInt(type.size) == 0 else {
            throw MartletError.misaligned(subject("step_shown"), at: UInt(bitPattern: address), to: type.size)
        }
        return type == .fp32
            ? unsafe .float(address.assumingMemoryBound(to: Float.self))
            : unsafe .double(address.assumingMemoryBound(to: Double.self))
    }
}

extension ParameterView {
    /// catchesUp: whether rows are named without gradients.
    init(_ parameter: martlet_parameter, _ index: Int, catchesUp: Bool) throws(MartletError) {
        try unsafe parameter.checkReserved("parameters[\(index)]")
        func subject(_ field: String) -> String { "parameters[\(index)].\(field)" }
        guard let step = unsafe parameter.step else {
            throw MartletError(.null, "\(subject("step")) is NULL; expected the address of a step counter")
        }
        guard UInt(bitPattern: step) % 8 == 0 else {
            throw MartletError.misaligned(subject("step"), at: UInt(bitPattern: step), to: 8)
        }
        let count = unsafe parameter.state_count
        guard unsafe count >= 0 && count <= Int64(ParameterView.maximumStateCount) else {
            throw MartletError(
                .argument,
                unsafe "\(subject("state_count")) is \(count); expected 0 to \(ParameterView.maximumStateCount)")
        }
        let value = try unsafe ArrayView(parameter.value) { subject("value") }
        let isThere = unsafe !catchesUp && (parameter.grad.data != nil || parameter.row_count > 0)
        let gradient = try unsafe isThere ? ArrayView(parameter.grad) { subject("grad") } : .none
        unsafe self.init(
            value: value, gradient: gradient, step: step, group: Int(parameter.group), name: parameter.name)
        unsafe rows = parameter.gradientRows
        unsafe (key, offset) = unsafe (parameter.key, parameter.offset)
        unsafe backlog = unsafe parameter.backlog
        unsafe shownStep = try parameter.shownStep(subject)
        if unsafe parameter.copy != nil {
            unsafe copy = try ArrayView(required(parameter.copy, subject("copy")).pointee) { subject("copy") }
            guard unsafe copy.base != nil || copy.count == 0 else {
                throw MartletError(.null, "\(subject("copy")).data is NULL; expected the address of a copy")
            }
        }
        unsafe stateCount = Int(count)
        if count == 0 { return }
        let arrays = try unsafe required(parameter.state, "parameters[\(index)].state")
        for slot in 0..<Int(count) {
            unsafe state[slot] = try ArrayView(arrays[slot], isState: true) { subject("state[\(slot)]") }
        }
    }
}
