// What the arrays of one parameter must be: counts, shapes and alignment that fit together, and written arrays that do
// not run over themselves. All arithmetic on a caller's numbers is checked for overflow.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

/// The checks of one parameter, array by array, starting with the value.
@unsafe struct ParameterCheck {
    /// Elements of the value, which every other array must match.
    let count: Int
    private let countWords: StaticString
    /// What addresses must be a multiple of; nil: the size of the array's elements.
    private let alignment: Int?
    /// Whether the gradient is written too.
    private let writesGradient: Bool
    /// The first array with a rank: all others with a rank must have its sizes.
    private var shaped: ArrayView?
    private var shapedRole = Role.value
    /// Whether an array of fp64 has been seen.
    private(set) var isDouble = false
    /// The most elements of any array, and of any one dimension's reach: sums over 64 dimensions then fit an Int.
    static var maximumCount: Int { 1 << 56 }

    init(
        count: Int, alignment: Int? = nil, writesGradient: Bool = false, of words: StaticString = "the value's count"
    ) {
        unsafe self.count = count
        unsafe countWords = words
        unsafe self.alignment = alignment
        unsafe self.writesGradient = writesGradient
        unsafe shaped = nil
    }

    /// Checks one array and returns the memory that it reaches.
    mutating func extent(
        of array: ArrayView, _ role: Role, _ parameter: Int, _ describe: (Role) -> String
    ) throws(MartletError) -> Extent {
        let isWritten = unsafe writes(role)
        if unsafe array.small != nil { return try unsafe codes(of: array, role, parameter, describe) }
        guard unsafe array.count >= 0 && array.count <= ParameterCheck.maximumCount else {
            throw unsafe MartletError(.shape, "\(describe(role)).count is \(array.count); expected 0 to 2^56")
        }
        guard unsafe array.count == count else {
            throw MartletError(
                .shape, unsafe "\(describe(role)).count is \(array.count); expected \(count), \(countWords)")
        }
        if unsafe count > 0 && array.base == nil {
            throw MartletError(
                .null, unsafe "\(describe(role)).data is NULL; expected the address of \(count) elements")
        }
        let size = unsafe array.type.size
        let alignment = unsafe alignment ?? size
        let address = unsafe UInt(bitPattern: array.base)
        guard address % UInt(alignment) == 0 else {
            throw MartletError.misaligned("\(describe(role)).data", at: address, to: alignment)
        }
        unsafe isDouble = unsafe isDouble || array.type == .fp64 && role != .copy
        var reach = unsafe (below: 0, above: count * size)
        if unsafe array.rank != 0 {
            reach = try unsafe strided(array, role, describe)
        }
        let (low, under) = address.subtractingReportingOverflow(UInt(reach.below))
        let (high, over) = address.addingReportingOverflow(UInt(reach.above))
        guard !under && !over else {
            throw MartletError(
                .shape,
                unsafe "\(describe(role)) reaches past the end of the address space; expected \(count) elements that do not"
            )
        }
        return unsafe Extent(
            low: count == 0 ? 0 : low, high: count == 0 ? 0 : high, isWritten: isWritten, role: role,
            parameter: parameter,
            elementSize: size, rank: array.rank, sizes: array.sizes, strides: array.strides)
    }

    private func writes(_ role: Role) -> Bool { unsafe role != .gradient || writesGradient }

    /// The same for a slot that has not one number for each element: it is contiguous, and a scalar is fp64 or fp32.
    /// `scalarAlignment`: of a scalar's address; nil: its size.
    static func extent(
        of array: ArrayView, _ slot: Slot, of shape: ParameterShape, scalarAlignment: Int?, _ role: Role,
        _ parameter: Int, _ describe: (Role) -> String
    ) throws(MartletError) -> Extent {
        let wanted = slot.count(for: shape)
        guard unsafe array.count == wanted && array.rank == 0 else {
            throw unsafe MartletError(
                .shape,
                "\(describe(role)).count is \(array.count) and its rank \(array.rank); expected \(wanted) and 0: it is "
                    + (slot.kind == .scalar ? "a scalar" : "\(slot.name)"))
        }
        guard unsafe slot.takes(array.stored) else {
            throw unsafe MartletError(
                .type,
                "\(describe(role)).dtype is \(array.stored.name); expected \(slot.typeWords): it is "
                    + (slot.kind == .scalar ? "a scalar" : "\(slot.name)"))
        }
        var check = unsafe ParameterCheck(count: wanted, alignment: slot.kind == .scalar ? scalarAlignment : nil)
        return try unsafe check.extent(of: array, role, parameter, describe)
    }

    /// Checks sizes and strides; returns the bytes reached below and above the first element's address.
    private mutating func strided(
        _ array: ArrayView, _ role: Role, _ describeRole: (Role) -> String
    ) throws(MartletError) -> (below: Int, above: Int) {
        func describe() -> String { describeRole(role) }
        guard unsafe array.rank > 0 && array.rank <= Layout.maximumRank else {
            throw MartletError(
                .shape, unsafe "\(describe()).rank is \(array.rank); expected 0 to \(Layout.maximumRank)")
        }
        guard let sizes = unsafe array.sizes, let strides = unsafe array.strides else {
            throw MartletError(
                .null,
                unsafe "\(describe()).\(array.sizes == nil ? "sizes" : "strides") is NULL; expected \(array.rank) numbers"
            )
        }
        guard (UInt(bitPattern: sizes) | UInt(bitPattern: strides)) % 8 == 0 else {
            throw MartletError.misaligned(
                "\(describe()).sizes or strides", at: UInt(bitPattern: sizes) | UInt(bitPattern: strides), to: 8)
        }
        var product = 1
        var isEmpty = false
        var overflows = false
        for dimension in unsafe 0..<array.rank {
            let size = unsafe sizes[dimension]
            guard size >= 0 else {
                throw MartletError(.shape, "\(describe()).sizes[\(dimension)] is \(size); expected 0 or more")
            }
            isEmpty = isEmpty || size == 0
            let (next, overflow) = product.multipliedReportingOverflow(by: Int(size))
            product = next
            overflows = overflows || overflow
        }
        guard unsafe isEmpty ? count == 0 : !overflows && product == count else {
            throw MartletError(
                .shape,
                unsafe "\(describe()).sizes have the product \(isEmpty ? "0" : overflows ? "2^63 or more" : "\(product)"); "
                    + "expected \(count), \(countWords)")
        }
        unsafe try agree(array, role, describeRole)
        if unsafe count == 0 { return (0, 0) }
        let reach = unsafe try ParameterCheck.reach(array, sizes, strides, describe)
        if unsafe writes(role), let dimension = unsafe ParameterCheck.collision(array.rank, sizes, strides) {
            throw unsafe MartletError(
                .overlap,
                "\(describe()).strides[\(dimension)] is \(strides[dimension]), so that elements share memory; "
                    + "expected a written array to hold each element once")
        }
        return reach
    }

    /// Throws where an array has other sizes than the first that has any.
    private mutating func agree(_ array: ArrayView, _ role: Role, _ describe: (Role) -> String) throws(MartletError) {
        guard let shaped = unsafe shaped else {
            unsafe self.shaped = array
            unsafe shapedRole = role
            return
        }
        guard unsafe array.rank == shaped.rank,
            unsafe (0..<array.rank).allSatisfy({ unsafe array.sizes![$0] == shaped.sizes![$0] })
        else {
            throw unsafe MartletError(
                .shape,
                "\(describe(role)).sizes are \(ParameterCheck.sizeText(array)); "
                    + "expected \(ParameterCheck.sizeText(shaped)), those of \(describe(shapedRole))")
        }
    }

    /// Sizes for a message, "[3, 4]", the first eight of them.
    static func sizeText(_ array: ArrayView) -> String {
        let shown = unsafe (0..<min(array.rank, 8)).map { unsafe "\(array.sizes![$0])" }.joined(separator: ", ")
        return unsafe array.rank > 8 ? "[\(shown), ...], \(array.rank) in all" : "[\(shown)]"
    }

    private static func reach(
        _ array: ArrayView, _ sizes: UnsafePointer<Int64>, _ strides: UnsafePointer<Int64>, _ describe: () -> String
    ) throws(MartletError) -> (below: Int, above: Int) {
        var below = 0
        var above = 0
        var overflows = false
        for dimension in unsafe 0..<array.rank {
            let (span, tooFar) = unsafe Int(sizes[dimension] - 1).multipliedReportingOverflow(
                by: Int(strides[dimension]))
            overflows = unsafe overflows || tooFar || span.magnitude > UInt(maximumCount)
            if overflows { break }
            if span < 0 { below -= span } else { above += span }
        }
        let (bytesBelow, tooLow) = unsafe below.multipliedReportingOverflow(by: array.type.size)
        let (bytesAbove, tooHigh) = unsafe (above + 1).multipliedReportingOverflow(by: array.type.size)
        guard !overflows && !tooLow && !tooHigh else {
            throw MartletError(
                .shape, "\(describe()).strides reach past the end of the address space; expected elements inside it")
        }
        return (bytesBelow, bytesAbove)
    }

    /// A dimension whose stride is so short that elements share memory, or nil. Sorted by stride, each dimension must
    /// step over all that the shorter ones reach.
    private static func collision(_ rank: Int, _ sizes: UnsafePointer<Int64>, _ strides: UnsafePointer<Int64>) -> Int? {
        var reach: UInt64 = 1
        var done: UInt64 = 0
        for _ in 0..<rank {
            var shortest: Int?
            for dimension in 0..<rank where unsafe done & (1 << UInt64(dimension)) == 0 && sizes[dimension] > 1 {
                if shortest.map({ unsafe strides[dimension].magnitude < strides[$0].magnitude }) ?? true {
                    shortest = dimension
                }
            }
            guard let dimension = shortest else { return nil }
            if unsafe strides[dimension].magnitude < reach { return dimension }
            unsafe reach += strides[dimension].magnitude * UInt64(sizes[dimension] - 1)
            done |= 1 << UInt64(dimension)
        }
        return nil
    }

    /// How the arrays lie, or nil where each of them is contiguous in the same order; in that of the dimensions unless it
    /// may sort them.
    func layout(
        of arrays: StepArrays, count: Int? = nil, numbers: inout UnsafeMutablePointer<Int>, sorts: Bool = true
    ) -> Layout? {
        guard let shaped = unsafe shaped else { return nil }
        let arrayCount = unsafe count ?? arrays.count
        var layout = unsafe Layout(numbers: numbers, rank: shaped.rank, arrayCount: arrayCount)
        unsafe numbers += Layout.numberCount(rank: shaped.rank, arrayCount: arrayCount)
        for dimension in unsafe 0..<shaped.rank { unsafe layout[size: dimension] = Int(shaped.sizes![dimension]) }
        for index in 0..<arrayCount {
            let array = unsafe arrays[index]
            if unsafe array.rank == 0 {
                unsafe layout.setContiguous(array: index)
            } else {
                for dimension in unsafe 0..<shaped.rank {
                    unsafe layout[stride: dimension, index] = Int(array.strides![dimension])
                }
            }
        }
        unsafe layout.simplify(sorts: sorts)
        return unsafe layout.isContiguous ? nil : layout
    }
}

extension Layout {
    /// Calls `body` with the layout of one array, in the order of its dimensions, on the stack.
    static func withLayout(of array: ArrayView, _ body: (Layout) -> Void) {
        let rank = unsafe max(array.rank, 1)
        let room = unsafe numberCount(rank: rank, arrayCount: 1)
        unsafe withUnsafeTemporaryAllocation(of: Int.self, capacity: room) { numbers in
            let layout = unsafe Layout(numbers: numbers.baseAddress!, rank: rank, arrayCount: 1)
            unsafe layout[size: 0] = array.count
            unsafe layout[stride: 0, 0] = 1
            for dimension in unsafe 0..<array.rank {
                unsafe layout[size: dimension] = Int(array.sizes![dimension])
                unsafe layout[stride: dimension, 0] = Int(array.strides![dimension])
            }
            unsafe body(layout)
        }
    }
}
