//! The run as a command for a shell: with it, it runs as it did.

use super::super::command_line::{CommandLine, format_duration};
use super::{Args, LINGER, WATCH_FOR};
use crate::topic::address::TopicAddress;

impl Args {
    /// The command; settings from the environment and the file are spelled out, secrets are not. Without what goes on with an
    /// earlier run, and without the reports: it begins anew.
    pub(super) fn command(&self, address: &TopicAddress) -> anyhow::Result<String> {
        let mut command = CommandLine::new("publish");
        for file in &self.files {
            command.arg(file.display());
        }
        let (pace, topic) = (&self.pace, &self.topic);
        command.flag_if_some("generate", self.generate.as_ref()).flag_if_some("format", self.format);
        command
            .flag_if_some("rate", pace.rate)
            .flag_if_some("stages", pace.stages.as_ref())
            .flag_if_some("speed", pace.speed);
        command.flag_if("stop-at-schedule-end", pace.stop_at_schedule_end);
        command.flag_if_some("concurrency", pace.concurrency).flag_unless_default(
            "linger",
            &*format_duration(pace.linger),
            LINGER,
        );
        command.flag_if_some("drop-after", pace.drop_after);
        command.flag_if_some("dead-letters", self.dead_letters.as_ref().map(|path| path.display()));
        command.flag("topic", address);
        if *address == TopicAddress::Local {
            command.flag_if_some("lake", topic.lake.as_ref()).rules(topic.rules.rules());
            command.flag_if("require-conditional-writes", topic.writes.require_conditional_writes);
        }
        if self.watch.watch || *address == TopicAddress::Local {
            command.warehouse(&topic.warehouse)?;
        }
        command.flag_if("send-invalid", self.send_invalid).flag_if("watch", self.watch.watch);
        command.flag_unless_default("watch-for", &*format_duration(self.watch.watch_for), WATCH_FOR);
        command.flag_if_some("truth", self.watch.truth.as_ref().map(|path| path.display()));
        command.flag_if_some("fail-if", self.fail_if.as_ref());
        Ok(command.to_string())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Flags {
        #[command(flatten)]
        args: Args,
    }

    /// Flags that go on with an earlier run, agree to this one, or tell of it.
    const LEFT_OUT: [&str; 7] = ["skip", "resume", "journal", "yes", "report", "hdr", "help"];

    fn spelled(words: &[&str]) -> (String, Args) {
        let Flags { args } = Flags::parse_from([&["publish"], words].concat());
        (args.command(&args.topic.address().unwrap()).unwrap(), args)
    }

    #[test]
    fn every_flag_that_changes_the_run_is_spelled_and_read_back() {
        let files = [
            &["in a.json", "b.csv", "--format", "csv", "--rate", "500/s", "--concurrency", "7"][..],
            &[
                "--linger",
                "1.5s",
                "--drop-after",
                "never",
                "--dead-letters",
                "dead",
                "--topic",
                "local",
                "--lake",
                "dir",
                "--require-conditional-writes",
            ],
            &[
                "--warehouse",
                "sqlite:w.db",
                "--table",
                "t",
                "--connections",
                "3",
                "--meta-rate",
                "0.03",
                "--send-invalid",
            ],
            &["--watch", "--watch-for", "5m", "--truth", "t.gz", "--fail-if", "p99 > 5s; failed > 0"],
        ]
        .concat();
        let spec = [
            "--generate",
            "farms=2,late=0.1",
            "--stages",
            "hold:5/s:1s",
            "--stop-at-schedule-end",
            "--topic",
            "local",
            "--warehouse",
            "sqlite:w",
        ];
        let speed = ["-", "--speed", "60x", "--topic", "arn:aws:sns:us-east-1:123456789012:t"];
        let mut all = String::new();
        for words in [&files[..], &spec, &speed] {
            let (first, _) = spelled(words);
            let again = shlex(&first);
            let (second, _) = spelled(&again[2..].iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(first, second);
            all += &first;
        }
        let flags = <Args as clap::Args>::augment_args(clap::Command::new("publish"));
        for flag in flags.get_arguments().filter_map(clap::Arg::get_long).filter(|flag| !LEFT_OUT.contains(flag)) {
            assert!(all.contains(&format!("--{flag}")), "--{flag} is in none of {all}");
        }
    }

    #[test]
    fn what_is_as_it_is_by_itself_is_not_spelled() {
        let arn = "arn:aws:sns:us-east-1:123456789012:t";
        let (command, _) = spelled(&["in.json", "--resume", "--topic", arn]);
        assert_eq!(command, format!("ruminate publish in.json --topic {arn}"));
    }

    /// The words of a command, as a shell divides them; quotes of one kind.
    fn shlex(command: &str) -> Vec<String> {
        let (mut words, mut quoted) = (vec![String::new()], false);
        for c in command.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words
    }
}
