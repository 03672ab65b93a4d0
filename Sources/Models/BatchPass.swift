// What the passes of all operations over one batch have in common.
import MartletCompute

/// What the passes of all operations over one batch have in common.
@unsafe struct BatchPass {
    let execution: Execution
    let batch: Int
    let memory: PlanMemory
    private let parameters: UnsafeMutablePointer<Float>
    private let statistics: UnsafeMutablePointer<Float>
    private let isTraining: Bool
    private let seed: UInt64
    private let step: UInt64

    /// - Parameter trainingStep: training steps done, in training; else nil.
    init(
        _ model: Model, _ built: Built, _ plan: Plan, _ execution: Execution, batch: Int, trainingStep: UInt64? = nil
    ) {
        unsafe (self.execution, self.batch, memory) = unsafe (execution, batch, plan.memory)
        unsafe (parameters, statistics) = unsafe (built.parameters.base, built.statistics.base)
        unsafe (isTraining, seed, step) = (trainingStep != nil, model.seed, trainingStep ?? 0)
    }

    /// What one operation computes forward with.
    func forward(_ place: UnsafePointer<StepPlace>, _ firstParameter: Int, _ firstStatistic: Int) -> ForwardPass {
        unsafe ForwardPass(
            execution: execution, batch: batch, memory: memory, place: place, parameters: parameters + firstParameter,
            statistics: statistics + firstStatistic, isTraining: isTraining, seed: seed, step: step)
    }
}
