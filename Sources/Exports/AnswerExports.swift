// Questions of the host's to objects of the host's, asked in one loop. What is asked, and of what, is the host's alone.
import CMartlet
import MartletPlatform

@implementation @_cdecl("martlet_answers_get")
public func martlet_answers_get(
    _ out_answers: UnsafeMutablePointer<Int64>!, _ questions: UnsafePointer<martlet_question?>!,
    _ question_count: Int64, _ objects: UnsafePointer<UnsafeMutableRawPointer?>!, _ object_count: Int64
) -> martlet_status {
    report("martlet_answers_get") { () throws(MartletError) in
        try checkCount(question_count, "question_count")
        guard object_count >= 0 && object_count <= 1 << 32 else {
            throw MartletError(.argument, "object_count is \(object_count); expected 0 to 2^32")
        }
        guard question_count > 0 else { return }
        let questions = try unsafe required(questions, "questions")
        for index in 0..<Int(question_count) where unsafe questions[index] == nil {
            throw MartletError(.null, "questions[\(index)] is NULL; expected a function")
        }
        guard object_count > 0 else { return }
        let objects = try unsafe required(objects, "objects")
        var answer = try unsafe required(out_answers, "out_answers")
        for index in 0..<Int(question_count) {
            let ask = unsafe questions[index]!
            for number in 0..<Int(object_count) {
                let status = unsafe ask(objects[number], answer)
                guard status == 0 else {
                    throw MartletError(
                        .argument, "questions[\(index)] returned \(status) for objects[\(number)]; expected 0")
                }
                unsafe answer += 1
            }
        }
    }
}
