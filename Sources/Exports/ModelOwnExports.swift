// Functions of the caller's that compute layers of the model behind a handle.
import CMartlet
import MartletCompute
import MartletModels
import MartletPlatform

@implementation @_cdecl("martlet_model_own_set")
public func martlet_model_own_set(
    _ model: OpaquePointer!, _ node: Int32, _ function: martlet_own_function!, _ user: UnsafeMutableRawPointer!
) -> martlet_status {
    unsafe withModel("martlet_model_own_set", model) { model throws(MartletError) in
        guard let function = unsafe function else { return try unsafe model.setFunction(ofNode: Int(node), to: nil) }
        let user = unsafe user
        try unsafe model.setFunction(ofNode: Int(node)) { pass in
            var told = unsafe martlet_own_pass(pass)
            // The thread's scratch is in use; the function may call no more than needs none.
            let record = ThreadRecord.current
            record?.isLent = true
            let answer = unsafe function(user, &told)
            record?.isLent = false
            _ = FloatingPointMode.exact.enter()
            return answer == 0
        }
    }
}

extension martlet_own_pass {
    fileprivate init(_ pass: OwnPass) {
        unsafe self.init()
        unsafe struct_size = UInt32(MemoryLayout<martlet_own_pass>.size)
        unsafe is_training = pass.isTraining ? 1 : 0
        unsafe batch = Int64(pass.batch)
        unsafe input_count = Int64(pass.inputs.count)
        unsafe inputs = pass.inputs.baseAddress
        unsafe weights = pass.weights
        unsafe out = pass.out
        unsafe slopes = pass.slopes
        unsafe input_slopes = pass.inputSlopes.baseAddress
        unsafe weight_slopes = pass.weightSlopes
    }
}
