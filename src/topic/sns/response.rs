//! Parsing of the `PublishBatch` response: which entries were accepted, and why others were not.

use crate::topic::{EntryError, NO_ANSWER, is_throttling};
use pipeline::aws::xml::{element, element_body};
use pipeline::error::Kind;

/// Returns the result of each entry, in the order of the entries. An entry that is missing in the response must be sent
/// again. `None` if the text is not such a response.
pub(super) fn read(entries: usize, xml: &str) -> Option<Vec<Result<(), EntryError>>> {
    let (result, _) = element_body(xml, "PublishBatchResult")?;
    let unnamed = || {
        let message = "the service said nothing about this entry".into();
        Err(EntryError { kind: Kind::Transient, code: NO_ANSWER.into(), message })
    };
    let mut answers: Vec<_> = std::iter::repeat_with(unnamed).take(entries).collect();
    for member in members(result, "Successful") {
        if let Some(at) = place(member, entries) {
            answers[at] = Ok(());
        }
    }
    for member in members(result, "Failed") {
        let Some(at) = place(member, entries) else { continue };
        let code = element(member, "Code").unwrap_or_default().into_owned();
        let sender = element(member, "SenderFault").is_some_and(|fault| fault == "true");
        answers[at] = Err(EntryError {
            kind: if sender && !is_throttling(&code) { Kind::Permanent } else { Kind::Transient },
            message: element(member, "Message").unwrap_or("no reason given".into()).into_owned(),
            code,
        });
    }
    Some(answers)
}

/// Returns the members of the list with that name.
fn members<'a>(xml: &'a str, list: &str) -> impl Iterator<Item = &'a str> {
    let mut rest = element_body(xml, list).map_or("", |(members, _)| members);
    std::iter::from_fn(move || {
        let (member, after) = element_body(rest, "member")?;
        rest = after;
        Some(member)
    })
}

/// Returns the index of an entry, which is its id; `None` if it is out of range.
fn place(member: &str, entries: usize) -> Option<usize> {
    element(member, "Id")?.parse().ok().filter(|&at| at < entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_of_200_can_contain_rejections_in_any_order() {
        let failed = |id: &str, code: &str, fault: bool| {
            format!("<member>\n <Code>{code}</Code><SenderFault>{fault}</SenderFault><Id>{id}</Id></member>\n")
        };
        let xml = format!(
            "<?xml version=\"1.0\"?><PublishBatchResponse xmlns=\"x\"><PublishBatchResult>\n<Failed>{}{}{}{}</Failed>\
             <Successful><member><MessageId>m</MessageId><Id>2</Id></member></Successful>\
             </PublishBatchResult></PublishBatchResponse>",
            failed("3", "InternalError", false),
            failed("0", "InvalidParameter", true),
            failed("4", "ThrottledException", true),
            failed("99", "InternalError", false),
        );
        let kinds: Vec<_> = read(5, &xml).unwrap().into_iter().map(|one| one.map_err(|e| (e.kind, e.code))).collect();
        let refused = |kind, code: &str| Err((kind, code.to_owned()));
        assert_eq!(kinds[0], refused(Kind::Permanent, "InvalidParameter"));
        assert_eq!(kinds[1], refused(Kind::Transient, "NoAnswer"));
        assert_eq!(kinds[2], Ok(()));
        assert_eq!(kinds[3], refused(Kind::Transient, "InternalError"));
        assert_eq!(kinds[4], refused(Kind::Transient, "ThrottledException"));
    }

    #[test]
    fn lists_can_be_empty_and_other_text_is_none() {
        let with = |lists: &str| format!("<R><PublishBatchResult>{lists}</PublishBatchResult></R>");
        let ok = "<Successful><member><Id>0</Id></member></Successful>";
        assert_eq!(read(1, &with(&format!("<Failed/>{ok}"))), Some(vec![Ok(())]));
        assert_eq!(read(1, &with(&format!("{ok}<Failed></Failed>"))), Some(vec![Ok(())]));
        assert!(read(1, &with("")).unwrap()[0].is_err());
        assert_eq!((read(1, "<html>welcome</html>"), read(1, "")), (None, None));
    }
}
