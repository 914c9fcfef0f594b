//! Programs that a bundle can contain, with what differs between them.

/// Program of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The streaming Lambda.
    Intake,
    /// The toolkit as a Lambda, for shards of a run.
    Fanout,
}

impl Program {
    /// Returns the package to build.
    pub(super) const fn package(self) -> &'static str {
        match self {
            Self::Intake => super::workspace::PACKAGE,
            Self::Fanout => "ruminate-fanout",
        }
    }

    /// Returns the name of the binary; in the zip it is `bootstrap`, which Lambda's OS-only runtimes start.
    pub(super) const fn binary(self) -> &'static str {
        match self {
            Self::Intake => "bootstrap",
            Self::Fanout => "fanout",
        }
    }

    /// Returns the template of its stack.
    pub(super) const fn template(self) -> &'static str {
        match self {
            Self::Intake => include_str!("../../lambda/template.yaml"),
            Self::Fanout => include_str!("../../lambda/fanout/fanout.yaml"),
        }
    }

    /// Returns the name of that template in the bundle.
    pub(super) const fn template_name(self) -> &'static str {
        match self {
            Self::Intake => "template.yaml",
            Self::Fanout => "fanout.yaml",
        }
    }

    /// Returns the template of its deployment guide.
    pub(super) const fn guide(self) -> &'static str {
        match self {
            Self::Intake => include_str!("deploy.md.j2"),
            Self::Fanout => include_str!("deploy-fanout.md.j2"),
        }
    }
}
