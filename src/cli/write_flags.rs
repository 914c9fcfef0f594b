//! Flags for writing to a lake: conditions and encryption.

use anyhow::{anyhow, bail};
use clap::Args;

use pipeline::lake::dir::Durability;
use pipeline::lake::{ConditionalWrites, Conditions, Encryption, Lake, SseAlgorithm, Unconditional};

/// Options of writes to a lake.
#[derive(Debug, Clone, Default)]
pub(super) struct WriteOptions {
    pub unconditional: Unconditional,
    pub durability: Durability,
    pub encryption: Encryption,
}

/// Flags of writes to the lake.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct WriteFlags {
    /// Write nothing if the store does not honour If-None-Match and If-Match
    ///
    /// Without it, objects of such a store are looked up before they are written. AWS S3 and directories honour both. Other
    /// stores are tested first, with an object next to the lake that is removed again.
    #[arg(long)]
    pub require_conditional_writes: bool,
    /// In a directory lake, sync each object and its folder to disk before it counts as written (slow)
    #[arg(long)]
    pub fsync: bool,
    #[command(flatten)]
    pub encryption: EncryptionFlags,
}

/// Encryption of new objects.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct EncryptionFlags {
    /// Server-side encryption of new objects: AES256, aws:kms or aws:kms:dsse [default: the bucket's]
    ///
    /// Only needed if the bucket's policy requires the header.
    #[arg(long, value_name = "ALGORITHM")]
    pub sse: Option<SseAlgorithm>,
    /// KMS key of new objects: id, ARN or alias; implies --sse aws:kms
    #[arg(long, value_name = "KEY")]
    pub sse_kms_key_id: Option<String>,
}

impl EncryptionFlags {
    /// Returns the options of a lake that honours conditional writes or emulates them.
    pub(super) fn options(&self) -> anyhow::Result<WriteOptions> {
        let encryption = Encryption::try_new(self.sse, self.sse_kms_key_id.clone());
        let encryption = encryption.map_err(|e| anyhow!("--sse, --sse-kms-key-id: {e}"))?;
        Ok(WriteOptions { encryption, ..WriteOptions::default() })
    }
}

impl WriteFlags {
    pub(super) fn options(&self) -> anyhow::Result<WriteOptions> {
        let unconditional =
            if self.require_conditional_writes { Unconditional::Refuse } else { Unconditional::Emulate };
        let durability = if self.fsync { Durability::Disk } else { Durability::System };
        Ok(WriteOptions { unconditional, durability, ..self.encryption.options()? })
    }

    /// Returns an error if conditional writes are required and the store does not support the needed ones.
    pub(super) async fn demand(
        &self,
        lake: &dyn Lake,
        needed: impl Fn(Conditions) -> ConditionalWrites,
    ) -> anyhow::Result<()> {
        if !self.require_conditional_writes || needed(lake.test_conditions().await?) == ConditionalWrites::Honoured {
            return Ok(());
        }
        bail!(
            "the store of {} does not honour conditional writes: nothing was written; without --require-conditional-writes each object is looked up before it is written, which is safe with a single writer",
            lake.address()
        )
    }
}
