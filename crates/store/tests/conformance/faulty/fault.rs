//! What can be wrong with a store.

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: the case must pass, or it says nothing about the fault.
    None,
    /// Rows are read, a decision is made, and rows are written, each for itself.
    StaleRead,
    /// An end is answered before it is done.
    EarlyAnswer,
    /// A request that looked before a reset is served.
    EpochsIgnoredByIssue,
    /// A family is alive whatever became of its client and subject.
    EpochsIgnoredByReads,
    /// The limits are looked at before the transaction begins.
    LimitOutside,
    /// What is dead takes up room.
    DeadCounted,
    /// A refresh token that was used a moment ago is rotated once more.
    Branch,
    /// A replay is refused, and that is all.
    ReplayForgiven,
    /// Anybody may present a refresh token.
    AnyClient,
    /// What a reader fetched is kept, however old it is by then.
    UncheckedFill,
    /// An end is noted in memory only.
    EndInMemory,
    /// A client, once read, is remembered for good.
    StaleCatalogue,
    /// A change of the catalogue is not counted.
    UncountedChange,
    /// What belongs together is written in units of their own.
    InPieces,
    /// A number of the log becomes visible after a higher one.
    LateEvent,
    /// An event more than what happened.
    ReuseWrites,
    /// A value is found after it was replaced.
    AliasesStay,
    /// A change is told of after it was answered.
    ToldLate,
    /// Some of the changes are never told of.
    Untold,
    /// A retry in time is not recognised, because use is noted for every family.
    UseOfAnything,
    /// Counts of a key replace those that are there.
    CountsReplaced,
    /// A batch of a node counts each time that it comes.
    BatchesRepeat,
    /// Records are never removed.
    RecordsStay,
    /// What is left of a limit is looked at outside of the transaction.
    LeaseInSteps,
    /// Permits come back into whatever count is on.
    BackToAnyCount,
    /// A listing counts what is on the page.
    TotalOfPage,
    /// The label of a device outlives it.
    LabelsStay,
}
