// The coefficients of a step, formed once for parameters that share them.
import MartletCompute
import MartletKernelInterface
import MartletPlatform

extension StepPlan {
    /// Forms a parameter's coefficients, unless they are those of the one before, and notes what becomes of its scalars.
    mutating func formCoefficients(
        _ parameter: UnsafePointer<ParameterView>, _ group: UnsafeMutablePointer<StepGroup>, _ step: StepNumber
    ) throws(MartletError) {
        let isSame = unsafe latest.group == parameter.pointee.group && latest.step == step
        if unsafe group.pointee.slots.scalarCount == 0 {
            if !isSame { _ = try unsafe formAnew(parameter, group, step, ScalarSlots()) }
            return
        }
        var own = unsafe ScalarSlots(parameter, group.pointee.slots)
        if isSame, let known = unsafe latest.scalars, unsafe own.isAlike(known.pointee) {
            unsafe own.follow(known.pointee)
        } else {
            unsafe own = try formAnew(parameter, group, step, own)
            unsafe latest.scalars = unsafe scalars + scalarsCount
        }
        unsafe (scalars + scalarsCount).initialize(to: own)
        unsafe scalarsCount += 1
    }

    mutating func formAnew(
        _ parameter: UnsafePointer<ParameterView>, _ group: UnsafeMutablePointer<StepGroup>, _ step: StepNumber,
        _ scalars: ScalarSlots
    ) throws(MartletError) -> ScalarSlots {
        unsafe latestCoefficients = ownCoefficients
        var request = unsafe CoefficientRequest(group: group, step: step, scalars: scalars, memory: latestCoefficients)
        unsafe FloatingPointMode.exact.call(CoefficientRequest.serve, &request)
        if let scalar = unsafe request.scalars.notANumber {
            let slot = unsafe group.pointee.slots.firstScalar + scalar
            let subject = unsafe spelling.describe(.state(slot), parameter: count - 1, name: parameter.pointee.name)
            throw unsafe MartletError(
                .argument,
                "\(subject) would be nan after the step; expected a state, and numbers of the group, that give "
                    + "\(group.pointee.slots[slot].name) a number")
        }
        if unsafe !request.areFinite {
            throw unsafe group.pointee.configuration.undefined("parameters[\(count - 1)]", step: step)
        }
        unsafe latest = unsafe (parameter.pointee.group, step, nil, request.turn)
        return unsafe request.scalars
    }
}
