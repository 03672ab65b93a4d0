// The one error type of the library: what kind of failure, and a sentence for the person who reads it.
// Which function failed and which status number the caller of C sees are the boundary's business.

/// Why a call failed. Thrown before anything the caller passed has changed; but `.stopped` ends a walk where it is, with
/// what has been done so far.
public struct MartletError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of failure; the raw values are the status numbers of `martlet.h`.
    public enum Kind: Int32, Sendable, CaseIterable {
        /// A number is out of its range, or not known.
        case argument = -1
        /// A pointer is NULL that must not be.
        case null = -2
        /// `struct_size` or a reserved field is wrong.
        case structure = -3
        /// Not a handle: NULL, destroyed, or never one.
        case handle = -4
        /// An element type that cannot stand here.
        case type = -5
        /// Counts, ranks, sizes or strides that do not fit together.
        case shape = -6
        /// A written range overlaps another, or itself.
        case overlap = -7
        /// A pointer is not a multiple of its element's size.
        case alignment = -8
        /// Something that this version does not serve.
        case unsupported = -9
        /// The system gave no memory.
        case memory = -10
        /// The system refused a file operation.
        case file = -11
        /// A file's content is not what it should be.
        case format = -12
        /// Another thread is inside this handle.
        case busy = -13
        /// Another thread was inside this handle at the fork.
        case interrupted = -14
        /// A progress function asked to stop.
        case stopped = -15
        /// A call came before one that it needs, or after one that forbids it.
        case order = -16
    }

    public let kind: Kind
    /// What was given and what was wanted, without a final full stop.
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }

    /// The error of an address that its elements cannot have. `subject` is what the caller calls it.
    package static func misaligned(_ subject: String, at address: UInt, to alignment: Int) -> MartletError {
        MartletError(
            .alignment,
            "\(subject) is at 0x\(String(address, radix: 16)); expected an address that is a multiple of \(alignment)")
    }
}
