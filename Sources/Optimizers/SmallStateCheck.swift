// What state of 16, 8 and 4 bits must be: contiguous codes of as many elements as the value has, and a scale for each block;
// and what its parameter must be, so that no two threads work on one block.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

extension ParameterCheck {
    /// Checks an array of codes and returns the memory that they reach.
    func codes(
        of array: ArrayView, _ role: Role, _ parameter: Int, _ describe: (Role) -> String
    ) throws(MartletError) -> Extent {
        let count = unsafe count
        guard let type = unsafe array.small else { throw MartletError(.type, "\(describe(role)) has no codes") }
        guard unsafe array.count == count && array.rank == 0 else {
            throw unsafe MartletError(
                .shape,
                "\(describe(role)).count is \(array.count) and its rank \(array.rank); expected \(count), the value's count, "
                    + "and 0: codes are contiguous")
        }
        if unsafe count > 0 && (array.base == nil || array.scales == nil) {
            throw unsafe MartletError(
                .null,
                "\(describe(role)).\(array.base == nil ? "data" : "scales") is NULL; expected the addresses of "
                    + "\(type.byteCount(count)) bytes of codes and \(type.scaleCount(count)) scales")
        }
        return try unsafe extent(array.base, type.byteCount(count), elementSize: 1, role, parameter, describe)
    }

    /// The memory of its scales.
    func scales(
        of array: ArrayView, _ role: Role, _ parameter: Int, _ describe: (Role) -> String
    ) throws(MartletError) -> Extent? {
        guard let type = unsafe array.small else { return nil }
        let address = unsafe UInt(bitPattern: array.scales)
        guard address % 4 == 0 else { throw MartletError.misaligned("\(describe(role)).scales", at: address, to: 4) }
        return try unsafe extent(
            array.scales, type.scaleCount(count) * 4, elementSize: 4, role, parameter, describe)
    }

    private func extent(
        _ base: UnsafeMutableRawPointer?, _ bytes: Int, elementSize: Int, _ role: Role, _ parameter: Int,
        _ describe: (Role) -> String
    ) throws(MartletError) -> Extent {
        let low = UInt(bitPattern: base)
        let (high, over) = low.addingReportingOverflow(UInt(bytes))
        guard !over else {
            throw MartletError(
                .shape, "\(describe(role)) reaches past the end of the address space; expected elements that do not")
        }
        return unsafe Extent(
            low: bytes == 0 ? 0 : low, high: bytes == 0 ? 0 : high, isWritten: role != .gradient, role: role,
            parameter: parameter, elementSize: elementSize, rank: 0, sizes: nil, strides: nil)
    }

    /// Throws where a parameter that has such state computes in fp64, or its passes could cut a block.
    func checkSmall(_ shape: ParameterShape, _ describe: (Role) -> String) throws(MartletError) {
        guard unsafe !isDouble else {
            throw MartletError(
                .type,
                "\(describe(.value)) or an array beside it is of fp64; expected fp32, bf16 or fp16 beside state of few bits"
            )
        }
        let grid = shape.grid
        guard grid.matrices * grid.rows <= 1 || grid.columns % 256 == 0 else {
            throw MartletError(
                .shape,
                "\(describe(.value)) has rows of \(grid.columns) elements; expected a multiple of 256 beside state of few "
                    + "bits, whose blocks no row of an algorithm of matrices may cut")
        }
    }
}
