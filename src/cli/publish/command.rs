//! The run as a command for a shell: with it, it runs as it did.

use super::super::spelled::Spelled;
use super::Args;
use crate::topic::arn::Address;

impl Args {
    /// The command; settings from the environment and the file are spelled out, secrets are not. Without what goes on with an
    /// earlier run: it begins anew.
    pub(super) fn command(&self, address: &Address) -> anyhow::Result<String> {
        let mut command = Spelled::new("publish");
        for file in &self.files {
            command.word(file.display());
        }
        let pace = &self.pace;
        command
            .maybe("generate", self.generate.as_ref())
            .maybe("format", self.format.map(|format| format!("{format:?}").to_lowercase()));
        command.maybe("rate", pace.rate).maybe("stages", pace.stages.as_ref()).maybe("speed", pace.speed);
        command.maybe("concurrency", pace.concurrency).flag("topic", address);
        if let Some(lake) = &self.topic.lake {
            command.flag("lake", lake);
        }
        if self.watch || *address == Address::Local {
            command.flag("warehouse", self.topic.warehouse.url()?);
        }
        command
            .switch("send-invalid", self.send_invalid)
            .switch("watch", self.watch)
            .maybe("fail-if", self.fail_if.as_ref());
        Ok(command.to_string())
    }
}
