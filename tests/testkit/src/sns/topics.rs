//! Topics, their subscriptions, and the actions on them. `limits` validates batches, `middleware` processes single messages.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use url::Url;
use uuid::Uuid;

use crate::sns::delivery::{self, DeliveryQueue};
use crate::sns::fifo::Fifo;
use crate::sns::filter::Policy;
use crate::sns::limits::{self, Kind};
use crate::sns::request::Call;
use crate::sns::response::{self, Refused};
use crate::sns::stats::Counters;
use crate::sns::{ACCOUNT, TOPIC};

/// Number of topics on a page of `ListTopics`.
const PAGE: usize = 100;

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub arn: String,
    pub kind: Kind,
    pub fifo: Mutex<Fifo>,
    attributes: Mutex<BTreeMap<String, String>>,
    pub subscriptions: RwLock<Vec<Arc<Subscription>>>,
}

/// A subscription over HTTP.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub arn: String,
    pub endpoint: String,
    token: String,
    confirmed: AtomicBool,
    pub raw: bool,
    pub filter: Policy,
    pub deliveries: DeliveryQueue,
}

impl Subscription {
    pub fn is_confirmed(&self) -> bool {
        self.confirmed.load(Relaxed)
    }
}

/// All topics.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    all: RwLock<BTreeMap<String, Arc<Topic>>>,
    ids: AtomicU64,
}

impl Topics {
    /// Returns the next UUID of this stub's sequence.
    pub fn id(&self) -> Uuid {
        let number = self.ids.fetch_add(1, Relaxed);
        uuid::Builder::from_u128(u128::from(mix(number)) << 64 | u128::from(mix(!number)))
            .with_version(uuid::Version::Random)
            .with_variant(uuid::Variant::RFC4122)
            .into_uuid()
    }

    /// Creates the topic with an ARN, unless it exists.
    pub fn create(&self, arn: &str, attributes: BTreeMap<String, String>) -> Result<(), Refused> {
        let named = limits::arn(arn)?;
        let is_true = |name: &str| attributes.get(name).is_some_and(|value| value == "true");
        limits::name(named.name, named.name.ends_with(".fifo"))?;
        let kind = Kind { fifo: named.name.ends_with(".fifo"), content_based: is_true("ContentBasedDeduplication") };
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(arn.to_owned()).or_insert_with(|| {
            Arc::new(Topic {
                arn: arn.to_owned(),
                kind,
                fifo: Mutex::default(),
                attributes: Mutex::new(attributes),
                subscriptions: RwLock::default(),
            })
        });
        Ok(())
    }

    /// Deletes a topic.
    pub fn delete(&self, arn: &str) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).remove(arn);
    }

    /// Returns the topic with an ARN, in the region that the request was signed for.
    pub fn find(&self, arn: Option<&str>, region: Option<&str>) -> Result<Arc<Topic>, Refused> {
        let arn = arn.unwrap_or_default();
        let named = limits::arn(arn)?;
        if region.is_some_and(|region| region != named.region) {
            return Err(Refused::parameter("TopicArn"));
        }
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(arn).cloned().ok_or_else(Refused::no_topic)
    }

    /// Subscribes an HTTP endpoint; must be called inside the runtime.
    pub fn subscribe(
        &self,
        topic: &Topic,
        endpoint: &str,
        attributes: &BTreeMap<&str, &str>,
        counters: &Counters,
    ) -> Result<Arc<Subscription>, Refused> {
        let url = Url::parse(endpoint).ok().filter(|url| url.scheme() == "http" && url.has_host());
        let url =
            url.ok_or_else(|| Refused::invalid("Endpoint must match the specified protocol, and the stub knows http"))?;
        if attributes.get("FilterPolicyScope").is_some_and(|scope| *scope != "MessageAttributes") {
            return Err(Refused::invalid("FilterPolicyScope: the stub knows MessageAttributes only"));
        }
        let filter = attributes.get("FilterPolicy").map_or(Ok(Policy::default()), |text| Policy::parse(text))?;
        let mut subscriptions = topic.subscriptions.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = subscriptions.iter().find(|one| one.endpoint == endpoint) {
            return Ok(Arc::clone(there));
        }
        let arn = format!("{}:{}", topic.arn, self.id());
        let subscription = Arc::new(Subscription {
            deliveries: DeliveryQueue::open(&url, &topic.arn, &arn, counters),
            arn,
            endpoint: endpoint.to_owned(),
            token: self.id().simple().to_string(),
            confirmed: AtomicBool::new(false),
            raw: attributes.get("RawMessageDelivery").is_some_and(|raw| *raw == "true"),
            filter,
        });
        subscriptions.push(Arc::clone(&subscription));
        Ok(subscription)
    }

    /// Performs any action except publishing. Returns its result, if it has one.
    pub async fn act(&self, call: &Call<'_>, place: &Place<'_>) -> Result<Option<String>, Refused> {
        let topic = || self.find(call.topic_arn.as_deref(), place.region);
        Ok(match &*call.action {
            "CreateTopic" => Some(self.create_topic(call, place)?),
            "DeleteTopic" => {
                let arn = call.topic_arn.as_deref().unwrap_or_default();
                limits::arn(arn)?;
                self.delete(arn);
                None
            }
            "GetTopicAttributes" => Some(described(&*topic()?)),
            "SetTopicAttributes" => {
                let (name, value) = (call.field("AttributeName"), call.field("AttributeValue"));
                let name = name.ok_or_else(|| Refused::invalid("AttributeName"))?.to_owned();
                let topic = topic()?;
                let mut attributes = topic.attributes.lock().unwrap_or_else(PoisonError::into_inner);
                attributes.insert(name, value.unwrap_or_default().to_owned());
                None
            }
            "ListTopics" => Some(self.list(call.field("NextToken"))?),
            "Subscribe" => Some(self.subscribe_to(&*topic()?, call, place).await?),
            "ConfirmSubscription" => Some(confirm(&*topic()?, call)?),
            "Unsubscribe" => {
                self.unsubscribe(call.field("SubscriptionArn").unwrap_or_default())?;
                None
            }
            "ListSubscriptionsByTopic" => Some(listed(&*topic()?)),
            action => {
                return Err(Refused::sender(
                    "InvalidAction",
                    format!("The action {action} is not valid for this stub."),
                ));
            }
        })
    }

    fn create_topic(&self, call: &Call<'_>, place: &Place<'_>) -> Result<String, Refused> {
        let name = call.field("Name").unwrap_or_default();
        let attributes: BTreeMap<String, String> =
            call.attributes().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        limits::name(name, attributes.get("FifoTopic").is_some_and(|fifo| fifo == "true"))?;
        let region = place.region.unwrap_or_else(|| TOPIC.split(':').nth(3).unwrap_or_default());
        let arn = format!("arn:aws:sns:{region}:{ACCOUNT}:{name}");
        self.create(&arn, attributes)?;
        Ok(format!("<TopicArn>{arn}</TopicArn>"))
    }

    fn list(&self, token: Option<&str>) -> Result<String, Refused> {
        let from: usize = token.map_or(Ok(0), str::parse).map_err(|_| Refused::invalid("NextToken"))?;
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let page: String = all
            .keys()
            .skip(from)
            .take(PAGE)
            .map(|arn| format!("<member><TopicArn>{arn}</TopicArn></member>"))
            .collect();
        let more =
            if all.len() > from + PAGE { format!("<NextToken>{}</NextToken>", from + PAGE) } else { String::new() };
        Ok(format!("<Topics>{page}</Topics>{more}"))
    }

    async fn subscribe_to(&self, topic: &Topic, call: &Call<'_>, place: &Place<'_>) -> Result<String, Refused> {
        if call.field("Protocol") != Some("http") {
            return Err(Refused::invalid("Protocol: the stub delivers over http only"));
        }
        let endpoint = call.field("Endpoint").unwrap_or_default();
        let subscription = self.subscribe(topic, endpoint, &call.attributes(), place.counters)?;
        let arn = if subscription.is_confirmed() {
            &subscription.arn
        } else {
            let url = format!(
                "{}/?Action=ConfirmSubscription&TopicArn={}&Token={}",
                place.endpoint, topic.arn, subscription.token
            );
            let asks = delivery::confirmation(&topic.arn, &self.id().to_string(), &subscription.token, &url);
            subscription.deliveries.send(asks).await;
            "pending confirmation"
        };
        Ok(format!("<SubscriptionArn>{arn}</SubscriptionArn>"))
    }

    fn unsubscribe(&self, arn: &str) -> Result<(), Refused> {
        let (topic, _) = arn.rsplit_once(':').ok_or_else(|| Refused::invalid("SubscriptionArn"))?;
        let topic = self.find(Some(topic), None)?;
        topic.subscriptions.write().unwrap_or_else(PoisonError::into_inner).retain(|one| one.arn != arn);
        Ok(())
    }
}

/// Target of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Region that it was signed for.
    pub region: Option<&'a str>,
    /// Address of the stub.
    pub endpoint: &'a str,
    pub counters: &'a Counters,
}

/// Marks a subscription as confirmed.
pub(crate) fn confirmed(subscription: &Subscription) {
    subscription.confirmed.store(true, Relaxed);
}

fn confirm(topic: &Topic, call: &Call<'_>) -> Result<String, Refused> {
    let token = call.field("Token").unwrap_or_default();
    let subscriptions = topic.subscriptions.read().unwrap_or_else(PoisonError::into_inner);
    let subscription = subscriptions.iter().find(|one| one.token == token);
    let subscription = subscription.ok_or_else(|| Refused::invalid("Token"))?;
    confirmed(subscription);
    Ok(format!("<SubscriptionArn>{}</SubscriptionArn>", subscription.arn))
}

fn described(topic: &Topic) -> String {
    let subscriptions = topic.subscriptions.read().unwrap_or_else(PoisonError::into_inner);
    let confirmed = subscriptions.iter().filter(|one| one.is_confirmed()).count();
    let mut attributes = topic.attributes.lock().unwrap_or_else(PoisonError::into_inner).clone();
    attributes.insert("TopicArn".into(), topic.arn.clone());
    attributes.insert("Owner".into(), ACCOUNT.into());
    attributes.insert("SubscriptionsConfirmed".into(), confirmed.to_string());
    attributes.insert("SubscriptionsPending".into(), (subscriptions.len() - confirmed).to_string());
    attributes.insert("SubscriptionsDeleted".into(), "0".into());
    if topic.kind.fifo {
        attributes.insert("FifoTopic".into(), "true".into());
        attributes.insert("ContentBasedDeduplication".into(), topic.kind.content_based.to_string());
    }
    response::map("Attributes", attributes.iter().map(|(name, value)| (name.as_str(), value.clone())))
}

fn listed(topic: &Topic) -> String {
    let subscriptions = topic.subscriptions.read().unwrap_or_else(PoisonError::into_inner);
    let members: String = subscriptions
        .iter()
        .map(|one| {
            let mut endpoint = String::new();
            response::escape(&mut endpoint, &one.endpoint);
            let arn = if one.is_confirmed() { &one.arn } else { "PendingConfirmation" };
            format!(
                "<member><TopicArn>{}</TopicArn><Protocol>http</Protocol><SubscriptionArn>{arn}</SubscriptionArn>\
                 <Owner>{ACCOUNT}</Owner><Endpoint>{endpoint}</Endpoint></member>",
                topic.arn
            )
        })
        .collect();
    format!("<Subscriptions>{members}</Subscriptions>")
}

/// Mixes a number into 64 bits (splitmix64).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
