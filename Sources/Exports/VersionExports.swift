// Version, status and error texts.
import CMartlet
import MartletPlatform

/// The text of a literal, as C knows it.
func cString(_ text: StaticString) -> UnsafePointer<CChar> {
    unsafe UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

@implementation @_cdecl("martlet_version_get")
public func martlet_version_get() -> Int32 {
    MARTLET_VERSION
}

@implementation @_cdecl("martlet_version_name")
public func martlet_version_name() -> UnsafePointer<CChar>! {
    unsafe cString("0.1.0")
}

@implementation @_cdecl("martlet_abi_get")
public func martlet_abi_get() -> Int32 {
    MARTLET_ABI
}

@implementation @_cdecl("martlet_status_name")
public func martlet_status_name(_ status: martlet_status) -> UnsafePointer<CChar>! {
    let name: StaticString =
        switch status {
        case MARTLET_OK: "MARTLET_OK"
        case MARTLET_ERROR_ARGUMENT: "MARTLET_ERROR_ARGUMENT"
        case MARTLET_ERROR_NULL: "MARTLET_ERROR_NULL"
        case MARTLET_ERROR_STRUCT: "MARTLET_ERROR_STRUCT"
        case MARTLET_ERROR_HANDLE: "MARTLET_ERROR_HANDLE"
        case MARTLET_ERROR_TYPE: "MARTLET_ERROR_TYPE"
        case MARTLET_ERROR_SHAPE: "MARTLET_ERROR_SHAPE"
        case MARTLET_ERROR_OVERLAP: "MARTLET_ERROR_OVERLAP"
        case MARTLET_ERROR_ALIGNMENT: "MARTLET_ERROR_ALIGNMENT"
        case MARTLET_ERROR_UNSUPPORTED: "MARTLET_ERROR_UNSUPPORTED"
        case MARTLET_ERROR_MEMORY: "MARTLET_ERROR_MEMORY"
        case MARTLET_ERROR_FILE: "MARTLET_ERROR_FILE"
        case MARTLET_ERROR_FORMAT: "MARTLET_ERROR_FORMAT"
        case MARTLET_ERROR_BUSY: "MARTLET_ERROR_BUSY"
        case MARTLET_ERROR_INTERRUPTED: "MARTLET_ERROR_INTERRUPTED"
        case MARTLET_STOPPED: "MARTLET_STOPPED"
        case MARTLET_ERROR_ORDER: "MARTLET_ERROR_ORDER"
        default: "MARTLET_ERROR_?"
        }
    return unsafe cString(name)
}

@implementation @_cdecl("martlet_last_error")
public func martlet_last_error() -> UnsafePointer<CChar>! {
    unsafe ThreadRecord.current?.errorText ?? cString("no memory for an error text")
}
