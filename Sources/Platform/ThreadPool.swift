// Stub.
import Glibc

package enum ThreadPool {
    /// One chunk of a job: the job's context and the chunk's number.
    package typealias Body = @convention(c) (_ context: UnsafeMutableRawPointer, _ chunk: Int) -> Void

    @discardableResult
    package static func run(
        chunks: Int, threads: Int, wake: Bool, warm: Bool = false, body: Body, context: UnsafeMutableRawPointer
    ) -> Int {
        guard chunks > 0 else { return 0 }
        for chunk in 0..<chunks { unsafe body(context, chunk) }
        return 1
    }

    static func abandon() {}
}
