// Which parameter has a name: an open-addressed table of hashes, half full at most, so that a name is found in the time
// of one comparison however many there are. The names themselves lie with the parameters. Nobody is kept from choosing
// names whose hashes are alike; it would only slow that caller's own additions down.
import MartletPlatform

struct NameTable: ~Copyable {
    private struct Place: BitwiseCopyable {
        var hash: UInt = 0
        /// The parameter's index plus 1; 0 where the place is free.
        var number = 0
    }

    /// As many as a power of 2, or none.
    private var places = RawList<Place>()
    private var count = 0

    /// The index of the parameter with this name; nil where there is none. `nameOf` gives the name by index.
    func index(
        of name: UnsafeRawBufferPointer, hash: UInt, _ nameOf: (Int) -> UnsafeRawBufferPointer
    ) -> Int? {
        if places.count == 0 { return nil }
        var at = Int(hash & UInt(places.count - 1))
        while places[at].number != 0 {
            let index = places[at].number - 1
            if unsafe places[at].hash == hash && Bytes.areEqual(nameOf(index), name) { return index }
            at = (at + 1) & (places.count - 1)
        }
        return nil
    }

    /// Makes room for one more name. Throws `.memory`.
    mutating func reserve() throws(MartletError) {
        if 2 * (count + 1) <= places.count { return }
        var wider = RawList<Place>()
        let width = max(16, 2 * places.count)
        try wider.reserve(width)
        for _ in 0..<width { try wider.append(Place()) }
        for index in 0..<places.count where places[index].number != 0 { NameTable.put(places[index], in: &wider) }
        places = wider
    }

    /// Adds a name that is not there yet, for which room has been made.
    mutating func add(hash: UInt, index: Int) {
        NameTable.put(Place(hash: hash, number: index + 1), in: &places)
        count += 1
    }

    func copy() throws(MartletError) -> NameTable {
        var copy = NameTable()
        copy.places = try places.copy()
        copy.count = count
        return copy
    }

    private static func put(_ place: Place, in places: inout RawList<Place>) {
        var at = Int(place.hash & UInt(places.count - 1))
        while places[at].number != 0 { at = (at + 1) & (places.count - 1) }
        places[at] = place
    }

    /// FNV-1a, with its upper half folded in: the table looks at the lower bits.
    static func hash(_ name: UnsafeRawBufferPointer) -> UInt {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in 0..<name.count { unsafe hash = (hash ^ UInt64(name[index])) &* 0x100_0000_01B3 }
        return UInt(truncatingIfNeeded: hash ^ hash >> 32)
    }
}
