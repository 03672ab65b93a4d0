// A model's groups of parameters: compiled together, set one by one, and read back.
import CMartlet
import MartletModels
import MartletOptimizers
import MartletPlatform

@implementation @_cdecl("martlet_model_groups_compile")
public func martlet_model_groups_compile(
    _ model: OpaquePointer!, _ training: UnsafePointer<martlet_training>!, _ groups: UnsafePointer<martlet_config>!,
    _ group_count: Int64, _ view_groups: UnsafePointer<Int32>!, _ view_count: Int64
) -> martlet_status {
    unsafe withModel("martlet_model_groups_compile", model) { model throws(MartletError) in
        let training = try unsafe Training.reading(training, outputs: model.outputCount)
        // More groups than the parameters' views would be of no use, and there are fewer than so many of these.
        guard group_count >= 1 && group_count <= Int64(Model.mostNodes) else {
            throw MartletError(.argument, "group_count is \(group_count); expected 1 to \(Model.mostNodes)")
        }
        let configs = try unsafe StructList(required(groups, "groups"), "groups")
        var configurations: [Configuration] = []
        for index in 0..<Int(group_count) {
            configurations.append(
                try unsafe Configuration(configs.address(index), size: configs.size, "groups[\(index)]"))
        }
        let views = try model.made().parameterViews
        guard view_count == Int64(views.count) else {
            throw MartletError(
                .argument, "view_count is \(view_count); expected \(views.count), the views of the parameters")
        }
        let list = try unsafe views.isEmpty ? nil : required(view_groups, "view_groups")
        let ofViews = views.indices.map { unsafe Int(list![$0]) }
        try model.compile(training, groups: configurations, ofViews: ofViews)
    }
}

@implementation @_cdecl("martlet_model_group_count")
public func martlet_model_group_count(_ model: OpaquePointer!, _ out_count: UnsafeMutablePointer<Int64>!)
    -> martlet_status
{
    unsafe withModel("martlet_model_group_count", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let target = try unsafe required(out_count, "out_count")
        unsafe target.pointee = Int64(try model.groupCount())
    }
}

@implementation @_cdecl("martlet_model_group_set")
public func martlet_model_group_set(
    _ model: OpaquePointer!, _ group: Int32, _ hyperparameter: Int32, _ value: Double
) -> martlet_status {
    unsafe withModel("martlet_model_group_set", model) { model throws(MartletError) in
        try model.set(Hyperparameter(number: hyperparameter), to: value, group: Int(group))
    }
}

@implementation @_cdecl("martlet_model_config_get")
public func martlet_model_config_get(
    _ model: OpaquePointer!, _ out_config: UnsafeMutablePointer<martlet_config>!, _ struct_size: Int, _ group: Int32
) -> martlet_status {
    unsafe withModel("martlet_model_config_get", model, reads: true, mayBeInside: true) { model throws(MartletError) in
        let configuration = try model.configuration(group: Int(group))
        try unsafe martlet_config.fill(
            out_config, "out_config", size: struct_size, with: martlet_config(configuration))
    }
}
