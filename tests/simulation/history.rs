//! Histories: commands of an operator, deliveries and damage, drawn from a seed.

use std::fmt;

use ruminate::reconcile::{RepairTarget, Trust};

use crate::lake::StoreKind;
use crate::load::ReplayOptions;
use crate::random::Draw;
use crate::readings::{Message, READINGS};
use crate::reconcile::RepairOptions;

/// Damage by another process to the object or row of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    RowDeleted,
    RowChanged,
    ObjectDeleted,
    ObjectChanged,
    ObjectTruncated,
    /// A failover to a server that lags: the rows that were processed last are lost.
    NewestRowsLost,
    TableDropped,
}

const DAMAGE: [Damage; 12] = [
    Damage::RowDeleted,
    Damage::RowDeleted,
    Damage::RowDeleted,
    Damage::RowChanged,
    Damage::RowChanged,
    Damage::ObjectDeleted,
    Damage::ObjectDeleted,
    Damage::ObjectChanged,
    Damage::ObjectTruncated,
    Damage::NewestRowsLost,
    Damage::NewestRowsLost,
    Damage::TableDropped,
];

/// A step of a history.
#[derive(Debug, Clone)]
pub enum Command {
    Deliver {
        messages: Vec<Message>,
        lambdas: u64,
    },
    Backfill(Vec<Message>),
    /// Damage, and a number that selects what is damaged.
    Damage(Vec<(Damage, u64)>),
    /// The clock jumps ahead by seconds.
    Jump(u64),
    Audit {
        parts: bool,
        cached: bool,
    },
    Repair {
        options: RepairOptions,
        undone: bool,
    },
    Replay {
        options: ReplayOptions,
        undone: bool,
    },
    Swap {
        options: ReplayOptions,
        max_missing: u64,
    },
    Compact {
        drops: bool,
    },
    Restore,
    AuditInShards(u32),
    ReplayInShards(u32),
}

/// A command with its faults, and with messages that are delivered at the same time.
#[derive(Debug, Clone)]
pub struct Step {
    /// Position in the complete history.
    pub number: usize,
    pub command: Command,
    pub concurrent: Vec<Message>,
    /// Faults per 1,000 calls.
    pub permille: u64,
}

/// A history.
#[derive(Debug, Clone)]
pub struct History {
    pub seed: u64,
    pub kind: StoreKind,
    pub steps: Vec<Step>,
}

impl History {
    /// Returns the history of a seed.
    pub fn of(seed: u64) -> Self {
        let draw = Draw::new(seed);
        let kind =
            StoreKind { whole_seconds: draw.with(1).permille(500), checks_conditions: draw.with(2).permille(850) };
        let count = 3 + draw.with(3).below(7);
        let first = Command::Deliver {
            messages: messages(draw.with(4), 10 + draw.with(5).below(40)),
            lambdas: if kind.checks_conditions { 1 + draw.with(6).below(3) } else { 1 },
        };
        let permille = |draw: Draw| draw.pick(&[0, 10, 30, 60, 150]);
        let mut steps =
            vec![Step { number: 0, command: first, concurrent: Vec::new(), permille: permille(draw.with(7)) }];
        for number in 1..=count {
            let draw = draw.with(8).with(number);
            let command = command(draw.with(1), kind);
            let is_shared = kind.checks_conditions && command.can_share_stores() && draw.with(2).permille(350);
            let concurrent = if is_shared { messages(draw.with(3), 1 + draw.with(4).below(12)) } else { Vec::new() };
            let number = usize::try_from(number).unwrap_or_default();
            steps.push(Step { number, command, concurrent, permille: permille(draw.with(5)) });
        }
        Self { seed, kind, steps }
    }

    /// Returns the history without one of its steps.
    pub fn without(&self, at: usize) -> Self {
        let mut shorter = self.clone();
        shorter.steps.remove(at);
        shorter
    }
}

/// Returns new and repeated readings, and broken messages.
fn messages(draw: Draw, count: u64) -> Vec<Message> {
    let message = |at: u64| {
        let draw = draw.with(at);
        let number = u32::try_from(draw.with(1).below(u64::from(READINGS))).unwrap_or_default();
        if draw.with(2).permille(80) {
            return Message::Broken { number };
        }
        Message::Reading { number, spelling: u8::try_from(draw.with(3).below(4)).unwrap_or_default() }
    };
    (0..count).map(message).collect()
}

fn command(draw: Draw, kind: StoreKind) -> Command {
    let options = ReplayOptions {
        overwrites: draw.with(1).permille(300),
        verifies: draw.with(2).permille(300),
        uses_parts: draw.with(3).permille(700),
        resumes: draw.with(4).permille(700),
        connections: usize::try_from(1 + draw.with(5).below(4)).unwrap_or(1),
    };
    let shards = u32::try_from(1 + draw.with(6).below(5)).unwrap_or(1);
    match draw.with(7).below(30) {
        0..=3 => Command::Deliver {
            messages: messages(draw.with(8), 1 + draw.with(9).below(30)),
            lambdas: if kind.checks_conditions { 1 + draw.with(10).below(3) } else { 1 },
        },
        4..=5 => Command::Backfill(file(draw.with(8))),
        6..=9 => Command::Damage(damage(draw.with(8))),
        10..=13 => Command::Replay { options, undone: draw.with(9).permille(400) },
        14..=16 => Command::Swap { options, max_missing: draw.with(9).pick(&[0, 0, 1_000]) },
        17..=18 => Command::Audit { parts: draw.with(8).permille(700), cached: draw.with(9).permille(500) },
        19..=22 => Command::Repair { options: repair_options(draw.with(8)), undone: draw.with(9).permille(500) },
        23..=25 if kind.checks_conditions => Command::Compact { drops: draw.with(8).permille(300) },
        26 if kind.checks_conditions => Command::Restore,
        27 => Command::AuditInShards(shards),
        28 => Command::ReplayInShards(shards),
        _ => Command::Jump(draw.with(8).pick(&[1, 10, 60])),
    }
}

/// Returns the messages of a file; the first line is a reading, as in every file that is one.
fn file(draw: Draw) -> Vec<Message> {
    let mut lines = messages(draw, 2 + draw.with(1).below(30));
    lines[0] = Message::Reading { number: 0, spelling: 0 };
    lines
}

fn damage(draw: Draw) -> Vec<(Damage, u64)> {
    let one = |at: u64| (draw.with(at).with(1).pick(&DAMAGE), draw.with(at).with(2).bits() % 1_000);
    (0..1 + draw.with(100).below(6)).map(one).collect()
}

fn repair_options(draw: Draw) -> RepairOptions {
    let trust = if draw.with(1).permille(300) { Trust::Warehouse } else { Trust::Lake };
    let direction = draw.with(2).pick(&[RepairTarget::Warehouse, RepairTarget::Lake, RepairTarget::Both]);
    RepairOptions { direction, trust }
}

impl Command {
    /// Returns true if messages may be delivered during the command, and its result can still be checked.
    fn can_share_stores(&self) -> bool {
        matches!(self, Self::Audit { .. } | Self::Swap { .. } | Self::Compact { .. } | Self::ReplayInShards(_))
            || matches!(self, Self::Replay { undone: false, .. })
    }

    /// Returns true if its result depends on objects that were taken for unreadable ones, and cannot be repeated.
    pub fn needs_readable_objects(&self) -> bool {
        matches!(self, Self::Swap { .. } | Self::AuditInShards(_) | Self::ReplayInShards(_))
    }
}

fn list(messages: &[Message]) -> String {
    messages.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deliver { messages, lambdas } => write!(f, "deliver to {lambdas}: {}", list(messages)),
            Self::Backfill(messages) => write!(f, "backfill {}", list(messages)),
            other => write!(f, "{other:?}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>2}. [{:>3} of 1000 calls fail] {}", self.number, self.permille, self.command)?;
        if self.concurrent.is_empty() {
            Ok(())
        } else {
            write!(f, "\n      at the same time: {}", list(&self.concurrent))
        }
    }
}
