// The tensors of a model's file that hold what the optimizer keeps. A run of views, which is one parameter to it, has a
// tensor for each view; of a view that it sees as a matrix of outputs by inputs, moments have those two sizes. State of few
// bits, which views have by themselves, is two tensors: codes, and scales.
import MartletCheckpoints
import MartletKernelInterface
import MartletOptimizers
import MartletPlatform

/// A tensor of the optimizer's state: a slot of one view, or a scalar.
struct Moment {
    let name: String
    let type: TensorType
    let shape: [Int]
    /// Where it is: a slot of a parameter of the optimizer's, from an element on; or its scales.
    let parameter, slot, offset: Int
    let isScales: Bool

    private var elementSize: Int { type.bitCount / 8 }
    var byteCount: Int { shape.reduce(elementSize, *) }

    /// Those of a model with these views, whose state is kept in a type.
    static func all(_ groups: ParameterGroups, _ views: [View], _ type: StateType) -> [Moment] {
        var found: [Moment] = []
        let parameters = groups.parameters(views, type)
        for (index, parameter) in parameters.enumerated() {
            let isRun = parameter.sizes.isEmpty
            for (place, slot) in groups.configurations[parameter.group].slots.enumerated() {
                func add(_ part: String, _ type: TensorType, _ shape: [Int], at offset: Int, isScales: Bool = false) {
                    found.append(
                        Moment(
                            name: part, type: type, shape: shape, parameter: index, slot: place, offset: offset,
                            isScales: isScales))
                }
                switch parameter.types[place] {
                case .small(let small):
                    let names = small.partNames(slot.name)
                    add("\(parameter.name).\(names.codes)", .u8, [small.byteCount(parameter.count)], at: 0)
                    let scales = small.scaleCount(parameter.count)
                    add("\(parameter.name).\(names.scales)", .f32, [scales], at: 0, isScales: true)
                case .wide(let wide) where isRun && slot.kind == .scalar:
                    let owner = parameters.count == 1 ? "optimizer" : parameter.name
                    add("\(owner).\(slot.name)", TensorType(wide), [], at: 0)
                case .wide(let wide):
                    for view in views[parameter.views] {
                        let sizes = isRun ? view.shape.list : parameter.sizes
                        if !slot.exists(for: sizes) { continue }
                        let name = "\(view.name.string).\(slot.name)"
                        add(name, TensorType(wide), slot.sizes(for: sizes), at: view.offset - parameter.offset)
                    }
                }
            }
        }
        return found
    }

    /// Its first number.
    func place(in optimizer: Optimizer) throws(MartletError) -> UnsafeMutableRawPointer {
        let state = unsafe try optimizer.state(of: parameter, slot: slot)
        guard let base = unsafe isScales ? state.scales : state.base else {
            throw MartletError(.order, "the optimizer has no \(name)")
        }
        return unsafe base + elementSize * offset
    }
}
