// The tensors of a model's file that hold what the optimizer keeps. A run of views, which is one parameter to it, has a
// tensor for each view; of a view that it sees as a matrix of outputs by inputs, moments have those two sizes.
import MartletCheckpoints
import MartletOptimizers
import MartletPlatform

/// A tensor of the optimizer's state: a slot of one view, or a scalar.
struct Moment {
    let name: String
    let type: TensorType
    let shape: [Int]
    /// Where it is: a slot of a parameter of the optimizer's, from an element on.
    let parameter, slot, offset: Int

    var byteCount: Int { shape.reduce(type == .f64 ? 8 : 4, *) }

    /// Those of a model with these views.
    static func all(_ groups: ParameterGroups, _ views: [View]) -> [Moment] {
        var found: [Moment] = []
        let parameters = groups.parameters(views)
        for (index, parameter) in parameters.enumerated() {
            let isRun = parameter.sizes.isEmpty
            for (place, slot) in groups.configurations[parameter.group].slots.enumerated() {
                func add(_ owner: String, _ sizes: [Int], at offset: Int) {
                    found.append(
                        Moment(
                            name: "\(owner).\(slot.name)", type: slot.kind == .scalar ? .f64 : .f32,
                            shape: slot.sizes(for: sizes), parameter: index, slot: place, offset: offset))
                }
                if isRun && slot.kind == .scalar {
                    add(parameters.count == 1 ? "optimizer" : parameter.name, [], at: 0)
                    continue
                }
                for view in views[parameter.views] {
                    let sizes = isRun ? view.shape.list : parameter.sizes
                    if slot.exists(for: sizes) { add(view.name.string, sizes, at: view.offset - parameter.offset) }
                }
            }
        }
        return found
    }

    /// Its first number.
    func place(in optimizer: Optimizer) throws(MartletError) -> UnsafeMutableRawPointer {
        guard let base = unsafe try optimizer.state(of: parameter, slot: slot).base else {
            throw MartletError(.order, "the optimizer has no \(name)")
        }
        return unsafe base + 4 * offset
    }
}
