import MartletPlatform
extension Optimizer {
    public func save(to path: String) throws(MartletError) {}
    public func load(from path: String) throws(MartletError) {}
}
