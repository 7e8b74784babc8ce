//! The questions worth asking before a project is tuned, and which of them fit its languages and intents. Owns the
//! questions; must not look at any project.

use std::collections::BTreeSet;

use serde::Serialize;

/// How many questions are asked.
pub const ASKED: usize = 20;

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Question {
    pub id: &'static str,
    pub text: &'static str,
    /// Languages that it is about; empty for any.
    pub tags: &'static [&'static str],
    pub intents: &'static [&'static str],
}

/// Words in a project's own description of its intent, and the intent that they mean.
const SYNONYMS: &[(&str, &str)] = &[
    ("bandwidth", "network"),
    ("bundle", "size"),
    ("cach", "performance"),
    ("cost", "cost"),
    ("dependenc", "dependencies"),
    ("error", "reliability"),
    ("fast", "performance"),
    ("footprint", "size"),
    ("latency", "performance"),
    ("memory", "memory"),
    ("network", "network"),
    ("optimi", "performance"),
    ("perf", "performance"),
    ("quality", "quality"),
    ("reliab", "reliability"),
    ("robust", "reliability"),
    ("safe", "reliability"),
    ("size", "size"),
    ("slow", "performance"),
    ("speed", "performance"),
    ("stab", "reliability"),
    ("startup", "startup"),
    ("start-up", "startup"),
    ("throughput", "performance"),
    ("token", "cost"),
    ("tuning", "tuning"),
    ("tuneable", "tuning"),
];

/// The questions for a project: first those that fit both a language and an intent, then those that fit an intent, a
/// language, and last the general ones; [`ASKED`] of them. Questions about other languages are never asked.
pub fn select(languages: &BTreeSet<String>, intents: &[String]) -> Vec<&'static Question> {
    let languages: BTreeSet<String> = languages.iter().map(|language| language.to_lowercase()).collect();
    let wanted: BTreeSet<&str> = intents
        .iter()
        .map(|intent| intent.to_lowercase())
        .flat_map(|intent| SYNONYMS.iter().filter(move |(word, _)| intent.contains(word)).map(|(_, meaning)| *meaning))
        .collect();
    let rank = |question: &&Question| {
        let fits_intent = question.intents.iter().any(|intent| wanted.contains(intent));
        match (fits_intent, question.tags.is_empty()) {
            (true, false) => 0,
            (true, true) => 1,
            (false, false) => 2,
            (false, true) => 3,
        }
    };
    let fits = |question: &&Question| {
        question.tags.is_empty() || question.tags.iter().any(|language| languages.contains(*language))
    };
    let mut chosen: Vec<&Question> = QUESTIONS.iter().filter(fits).collect();
    chosen.sort_by_key(rank);
    chosen.truncate(ASKED);
    chosen
}

const fn ask(
    id: &'static str,
    text: &'static str,
    tags: &'static [&'static str],
    intents: &'static [&'static str],
) -> Question {
    Question { id, text, tags, intents }
}

const WEB: &[&str] = &["javascript", "typescript"];
const JVM: &[&str] = &["java", "kotlin", "scala"];
const NATIVE: &[&str] = &["c", "cpp", "rust", "zig"];

/// Every question, in the order in which equals are asked.
const QUESTIONS: &[Question] = &[
    ask(
        "hot-path",
        "Which single operation do users wait for most, and what does a profile say it spends its time on?",
        &[],
        &["performance"],
    ),
    ask(
        "tail",
        "How far is the 95th percentile from the median, and what do the slow cases have in common?",
        &[],
        &["performance", "reliability"],
    ),
    ask(
        "unit-of-work",
        "What is done again for every request or item that could be done once and kept?",
        &[],
        &["performance", "cost"],
    ),
    ask(
        "cache-hit",
        "Is there a cache, what is its hit rate, and what would a stale entry cost?",
        &[],
        &["performance", "cost"],
    ),
    ask(
        "io-in-loop",
        "Is there a query, a file access or a request inside a loop that one batched call could replace?",
        &[],
        &["performance", "network"],
    ),
    ask("peak-memory", "What sets the peak of the memory in use, and is all of it needed at once?", &[], &["memory"]),
    ask(
        "cold-start",
        "What happens between the start of the process and its first useful answer, and can any of it wait?",
        &[],
        &["startup", "performance"],
    ),
    ask(
        "timeouts",
        "Does every call that leaves the process have a deadline, and is the sum of them one that a user would accept?",
        &[],
        &["reliability", "network"],
    ),
    ask(
        "retries",
        "What is retried, how often, and can the retries themselves bring the other side down?",
        &[],
        &["reliability", "network"],
    ),
    ask(
        "error-rate",
        "Which errors occur in a normal week, and which of them does a user notice?",
        &[],
        &["reliability", "quality"],
    ),
    ask(
        "kpi",
        "Which one number would show that the next change has helped, and is it measured today?",
        &[],
        &["quality", "tuning"],
    ),
    ask(
        "guardrail",
        "Which number must on no account get worse while that one gets better?",
        &[],
        &["quality", "reliability", "tuning"],
    ),
    ask(
        "thresholds",
        "Which thresholds, weights and limits were once guessed and never measured?",
        &[],
        &["tuning", "quality"],
    ),
    ask(
        "overrides",
        "Which environment variables override configured values, and who knows that they are set?",
        &[],
        &["tuning", "reliability"],
    ),
    ask(
        "noise",
        "How much does the measured number move when nothing has changed?",
        &[],
        &["performance", "quality", "tuning"],
    ),
    ask(
        "test-time",
        "Which tests take most of the suite's time, and do they find anything that faster ones would not?",
        &[],
        &["performance", "quality"],
    ),
    ask(
        "build-time",
        "How long from a saved file to a result, and which step of that is avoidable?",
        &[],
        &["performance", "startup"],
    ),
    ask("artifact-size", "What is in the shipped artifact that nobody uses?", &[], &["size", "startup"]),
    ask(
        "largest-files",
        "Do the largest files of the repository belong there, or into storage of another kind?",
        &[],
        &["size"],
    ),
    ask(
        "dependencies",
        "Which dependency could go if thirty lines of code took its place?",
        &[],
        &["dependencies", "size"],
    ),
    ask(
        "logging",
        "What does logging cost on the hot path, and is what is logged there ever read?",
        &[],
        &["performance", "cost"],
    ),
    ask("payload", "How many of the bytes sent over the network does the receiver use?", &[], &["network", "cost"]),
    ask("paid-calls", "Which paid calls are made with the same input more than once?", &[], &["cost"]),
    ask(
        "rollback",
        "How long would it take to undo the last change in production, and when was that last tried?",
        &[],
        &["reliability"],
    ),
    ask(
        "python-imports",
        "Which imports take the most time at start (`python -X importtime`), and can they move into the functions that use them?",
        &["python"],
        &["startup", "performance"],
    ),
    ask(
        "python-loops",
        "Is there a Python loop over numbers that a vectorized call or a built-in could replace?",
        &["python"],
        &["performance"],
    ),
    ask(
        "python-gil",
        "Is CPU-bound work done in threads that wait for one another, where processes would run side by side?",
        &["python"],
        &["performance"],
    ),
    ask(
        "python-sync-in-async",
        "Is anything blocking called inside a coroutine?",
        &["python"],
        &["performance", "reliability"],
    ),
    ask(
        "python-deps",
        "Are there declared dependencies that nothing imports?",
        &["python"],
        &["dependencies", "size", "startup"],
    ),
    ask(
        "web-bundle",
        "What are the five largest modules of the bundle, and which of them could load later or not at all?",
        WEB,
        &["size", "startup", "network"],
    ),
    ask(
        "web-event-loop",
        "What keeps the event loop busy for more than 50 ms at a time?",
        WEB,
        &["performance", "reliability"],
    ),
    ask(
        "web-await",
        "Are there awaits in sequence that do not depend on one another?",
        WEB,
        &["performance", "network"],
    ),
    ask(
        "web-render",
        "Which parts of the page are rendered again although nothing that they show has changed?",
        WEB,
        &["performance"],
    ),
    ask(
        "web-packages",
        "Which packages are installed for production and only used in development?",
        WEB,
        &["dependencies", "size"],
    ),
    ask(
        "rust-profile",
        "Are link-time optimization, codegen units and panic strategy of the release profile chosen or merely inherited?",
        &["rust"],
        &["performance", "size"],
    ),
    ask(
        "rust-clones",
        "Which clones and allocations does a profile show on the hot path?",
        &["rust"],
        &["performance", "memory"],
    ),
    ask(
        "rust-features",
        "Which default features of dependencies are compiled and never used?",
        &["rust"],
        &["dependencies", "size"],
    ),
    ask(
        "native-layout",
        "Does the hot loop walk memory in order, and do its data fit into the cache?",
        NATIVE,
        &["performance", "memory"],
    ),
    ask(
        "go-allocations",
        "Which allocations does `go test -bench . -benchmem` show that escape analysis could keep on the stack?",
        &["go"],
        &["performance", "memory"],
    ),
    ask(
        "go-goroutines",
        "Can the number of goroutines grow without bound, and does every one of them end?",
        &["go"],
        &["memory", "reliability"],
    ),
    ask("go-contention", "What do the mutex and block profiles say about waiting?", &["go"], &["performance"]),
    ask(
        "jvm-gc",
        "How long are the collector's pauses, and does the heap's size fit the container's limit?",
        JVM,
        &["performance", "memory", "reliability"],
    ),
    ask("jvm-start", "What of class loading and start-up scanning can be done at build time?", JVM, &["startup"]),
    ask(
        "dotnet-async",
        "Is there a blocking wait on a task (`.Result`, `.Wait()`) on a request's path?",
        &["csharp"],
        &["performance", "reliability"],
    ),
    ask(
        "dotnet-allocations",
        "Which allocations end up in generation 2 or in the large object heap?",
        &["csharp"],
        &["performance", "memory"],
    ),
    ask("ruby-php-queries", "Which pages run a query for each row that they show?", &["ruby", "php"], &["performance"]),
    ask("shell-forks", "How many processes does a script start inside its loops?", &["shell"], &["performance"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(languages: &[&str], intents: &[&str]) -> Vec<&'static str> {
        let languages = languages.iter().map(|&name| name.to_owned()).collect();
        let intents: Vec<String> = intents.iter().map(|&name| name.to_owned()).collect();
        select(&languages, &intents).iter().map(|question| question.id).collect()
    }

    #[test]
    fn ids_are_unique_and_intents_are_among_those_that_words_can_mean() {
        let names: BTreeSet<&str> = QUESTIONS.iter().map(|question| question.id).collect();
        assert_eq!(names.len(), QUESTIONS.len());
        for intent in QUESTIONS.iter().flat_map(|question| question.intents) {
            assert!(SYNONYMS.iter().any(|(_, meaning)| meaning == intent), "{intent}");
        }
    }

    #[test]
    fn a_project_is_asked_twenty_questions_and_none_about_another_language() {
        assert_eq!(ids(&[], &[]).len(), ASKED);
        let python = ids(&["Python"], &[]);
        assert_eq!(python.len(), ASKED);
        assert!(
            python.contains(&"python-gil") && !python.iter().any(|id| id.starts_with("go-") || id.starts_with("web-"))
        );
    }

    #[test]
    fn what_fits_language_and_intent_comes_first() {
        let asked = ids(&["rust", "go"], &["Lower the memory footprint"]);
        assert_eq!(asked[..3], ["rust-profile", "rust-clones", "rust-features"]);
        let asked = ids(&["python"], &["Advisory system tuning"]);
        assert_eq!(asked[0], "kpi");
    }
}
