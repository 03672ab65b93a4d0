// Sixteen rows of sixteen numbers become columns, in registers: each of four rounds parts neighbouring rows into what
// stands at their even places and at their odd ones, and so moves one bit of a number's row into its column. Written out,
// since the compiler keeps a list of rows in memory.

import MartletKernelInterface

/// Transposes a block of sixteen by sixteen. Strides are in bytes; the places do not overlap.
@inline(never)
func transpose(
    _ source: UnsafeRawPointer, stride: Int, to target: UnsafeMutableRawPointer, stride targetStride: Int
) {
    let row0: SIMD16<Float> = read(source + 0 * stride)
    let row1: SIMD16<Float> = read(source + 1 * stride)
    let row2: SIMD16<Float> = read(source + 2 * stride)
    let row3: SIMD16<Float> = read(source + 3 * stride)
    let row4: SIMD16<Float> = read(source + 4 * stride)
    let row5: SIMD16<Float> = read(source + 5 * stride)
    let row6: SIMD16<Float> = read(source + 6 * stride)
    let row7: SIMD16<Float> = read(source + 7 * stride)
    let row8: SIMD16<Float> = read(source + 8 * stride)
    let row9: SIMD16<Float> = read(source + 9 * stride)
    let row10: SIMD16<Float> = read(source + 10 * stride)
    let row11: SIMD16<Float> = read(source + 11 * stride)
    let row12: SIMD16<Float> = read(source + 12 * stride)
    let row13: SIMD16<Float> = read(source + 13 * stride)
    let row14: SIMD16<Float> = read(source + 14 * stride)
    let row15: SIMD16<Float> = read(source + 15 * stride)
    let (a0, a1) = part(row0, row1)
    let (a2, a3) = part(row2, row3)
    let (a4, a5) = part(row4, row5)
    let (a6, a7) = part(row6, row7)
    let (a8, a9) = part(row8, row9)
    let (a10, a11) = part(row10, row11)
    let (a12, a13) = part(row12, row13)
    let (a14, a15) = part(row14, row15)
    let (b0, b2) = part(a0, a2)
    let (b1, b3) = part(a1, a3)
    let (b4, b6) = part(a4, a6)
    let (b5, b7) = part(a5, a7)
    let (b8, b10) = part(a8, a10)
    let (b9, b11) = part(a9, a11)
    let (b12, b14) = part(a12, a14)
    let (b13, b15) = part(a13, a15)
    let (c0, c4) = part(b0, b4)
    let (c1, c5) = part(b1, b5)
    let (c2, c6) = part(b2, b6)
    let (c3, c7) = part(b3, b7)
    let (c8, c12) = part(b8, b12)
    let (c9, c13) = part(b9, b13)
    let (c10, c14) = part(b10, b14)
    let (c11, c15) = part(b11, b15)
    let (d0, d8) = part(c0, c8)
    let (d1, d9) = part(c1, c9)
    let (d2, d10) = part(c2, c10)
    let (d3, d11) = part(c3, c11)
    let (d4, d12) = part(c4, c12)
    let (d5, d13) = part(c5, c13)
    let (d6, d14) = part(c6, c14)
    let (d7, d15) = part(c7, c15)
    write(d0, to: target + 0 * targetStride)
    write(d1, to: target + 1 * targetStride)
    write(d2, to: target + 2 * targetStride)
    write(d3, to: target + 3 * targetStride)
    write(d4, to: target + 4 * targetStride)
    write(d5, to: target + 5 * targetStride)
    write(d6, to: target + 6 * targetStride)
    write(d7, to: target + 7 * targetStride)
    write(d8, to: target + 8 * targetStride)
    write(d9, to: target + 9 * targetStride)
    write(d10, to: target + 10 * targetStride)
    write(d11, to: target + 11 * targetStride)
    write(d12, to: target + 12 * targetStride)
    write(d13, to: target + 13 * targetStride)
    write(d14, to: target + 14 * targetStride)
    write(d15, to: target + 15 * targetStride)
}

/// What stands at the even places of both rows, and at the odd ones.
@inline(__always)
private func part(_ a: SIMD16<Float>, _ b: SIMD16<Float>) -> (SIMD16<Float>, SIMD16<Float>) {
    (
        SIMD16(
            a[0], a[2], a[4], a[6], a[8], a[10], a[12], a[14], b[0], b[2], b[4], b[6], b[8], b[10], b[12], b[14]),
        SIMD16(
            a[1], a[3], a[5], a[7], a[9], a[11], a[13], a[15], b[1], b[3], b[5], b[7], b[9], b[11], b[13], b[15])
    )
}
