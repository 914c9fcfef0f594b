//! Parsing of the `PublishBatch` response: which entries were accepted, and why others were not.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::topic::{EntryError, NO_RESPONSE, is_throttling};
use pipeline::aws::xml::text;
use pipeline::error::Kind;

/// Code of a rejection without one.
const NO_CODE: &str = "NoCode";

type EntryResult = Result<(), EntryError>;

/// Result of an entry in the response.
#[derive(Default)]
struct Member<'a> {
    id: Cow<'a, str>,
    code: Cow<'a, str>,
    message: Option<Cow<'a, str>>,
    sender_fault: bool,
}

/// Returns the results of a call in the order of its entries; an entry without a result must be sent again. `None` if
/// the text is not such a response.
pub fn read(entries: usize, xml: &str) -> Option<Vec<EntryResult>> {
    let mut reader = Reader::from_str(xml);
    let mut answers = None;
    let (mut failed, mut member) = (false, Member::default());
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => match start.name().as_ref() {
                b"PublishBatchResult" => answers = Some(vec![unnamed(); entries]),
                b"Successful" => failed = false,
                b"Failed" => failed = true,
                b"member" => member = Member::default(),
                b"Id" => member.id = text(&mut reader, start.name())?,
                b"Code" => member.code = text(&mut reader, start.name())?,
                b"Message" => member.message = Some(text(&mut reader, start.name())?),
                b"SenderFault" => member.sender_fault = text(&mut reader, start.name())? == "true",
                _ => {}
            },
            Event::End(end) => match end.name().as_ref() {
                b"PublishBatchResult" => return answers,
                b"member" => {
                    // The id is the entry's place.
                    let place = member.id.parse::<usize>().ok();
                    if let Some(answer) = place.and_then(|place| answers.as_mut()?.get_mut(place)) {
                        *answer = std::mem::take(&mut member).answer(failed);
                    }
                }
                _ => {}
            },
            Event::DocType(_) | Event::Eof => return None,
            _ => {}
        }
    }
}

impl Member<'_> {
    fn answer(self, failed: bool) -> EntryResult {
        if !failed {
            return Ok(());
        }
        let permanent = self.sender_fault && !is_throttling(&self.code);
        Err(EntryError {
            kind: if permanent { Kind::Permanent } else { Kind::Transient },
            message: self.message.unwrap_or("no reason given".into()).into_owned(),
            code: if self.code.trim().is_empty() { NO_CODE.into() } else { self.code.into_owned() },
        })
    }
}

fn unnamed() -> EntryResult {
    let message = "the service reported no result for this entry".into();
    Err(EntryError { kind: Kind::Transient, code: NO_RESPONSE.into(), message })
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
