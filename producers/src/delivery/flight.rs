//! Events of one source on their way, group after group: the next are stored and sent while others wait for answers.
//!
//! Promises that groups leave in their order, that at most [`Target::window`] events are under way, that what is settled
//! is settled on disk with a handful of syncs for all groups whose answers are there, and that a target which can't be
//! reached is not tried again for every group. Never blocks before [`Flight::land`], so that storing never waits for a
//! network.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use super::{Courier, Sent, Settlement, Verdict, all_wait, chain};
use crate::{
    outbox::{EVENTS_A_FILE, OutboxError, Pending, SourceBox},
    target::{Sending, Target, TargetError},
};

/// What was asked of an outbox and its target, and has not come to an end.
pub(crate) struct Flight<'f> {
    courier: &'f Courier,
    /// Locked while the disk is at work, and never while a network is.
    source: &'f Mutex<SourceBox>,
    watch: &'f mut dyn FnMut(&[Sent]),
    /// Groups that have not left.
    queue: VecDeque<Vec<Pending>>,
    under_way: VecDeque<(Vec<Pending>, Sending)>,
    /// Why nothing more is tried.
    trouble: Option<String>,
    sent: Vec<Sent>,
}

impl<'f> Flight<'f> {
    pub(crate) fn of(courier: &'f Courier, source: &'f Mutex<SourceBox>, watch: &'f mut dyn FnMut(&[Sent])) -> Self {
        let (queue, under_way) = (VecDeque::new(), VecDeque::new());
        Self { courier, source, watch, queue, under_way, trouble: None, sent: Vec::new() }
    }

    /// Adds all that waits on disk, a few groups in memory at a time.
    pub(crate) fn add_waiting(&mut self) -> Result<(), OutboxError> {
        let waiting = self.with_source(|source| source.waiting())?;
        let mut events = Vec::new();
        for span in waiting {
            events.extend(self.with_source(|source| source.read(span))?);
            if events.len() >= EVENTS_A_FILE {
                self.add(std::mem::take(&mut events))?;
                while !self.queue.is_empty() {
                    self.go_on(true)?;
                }
            }
        }
        self.add(events)
    }

    /// Adds the next events, which are on disk.
    pub(crate) fn add(&mut self, events: Vec<Pending>) -> Result<(), OutboxError> {
        if !events.is_empty() {
            self.queue.push_back(events);
        }
        self.go_on(false)
    }

    /// Waits until every event has been dealt with.
    pub(crate) fn land(mut self) -> Result<Vec<Sent>, OutboxError> {
        while !self.queue.is_empty() || !self.under_way.is_empty() {
            self.go_on(true)?;
        }
        Ok(self.sent)
    }

    /// Does what can be done; if `wait`, at least one group is done with.
    fn go_on(&mut self, wait: bool) -> Result<(), OutboxError> {
        if let Some(reason) = self.trouble.clone().filter(|_reason| self.under_way.is_empty()) {
            let left = std::mem::take(&mut self.queue).into_iter().flatten().collect::<Vec<_>>();
            let verdicts = all_wait(&left, &reason);
            return self.conclude(left.into_iter().zip(verdicts).collect());
        }
        match self.courier.target.as_ref().filter(|target| target.window() > 0) {
            Some(target) => {
                self.start(target);
                let landed = self.landed(wait);
                self.conclude(landed)
            }
            None if wait => self.one_after_the_other(),
            None => Ok(()),
        }
    }

    /// Lets groups leave, as many as may be under way.
    fn start(&mut self, target: &Target) {
        if self.trouble.is_some() {
            return;
        }
        let mut count: usize = self.under_way.iter().map(|(events, _)| events.len()).sum();
        while let Some(events) = self.queue.pop_front_if(|next| count == 0 || count + next.len() <= target.window()) {
            count += events.len();
            let sending = target.start(&events);
            self.under_way.push_back((events, sending));
        }
    }

    /// The groups whose answers are there, in their order.
    fn landed(&mut self, wait: bool) -> Vec<(Pending, Verdict)> {
        let mut landed = Vec::new();
        let mut wait = wait;
        while let Some((events, sending)) = self.under_way.pop_front() {
            let replies = match sending.replies(wait) {
                Ok(replies) => replies,
                Err(sending) => {
                    self.under_way.push_front((events, sending));
                    break;
                }
            };
            wait = false;
            self.note(&replies);
            let verdicts = self.courier.judged(&events, replies);
            landed.extend(events.into_iter().zip(verdicts));
        }
        landed
    }

    /// The next group of a target that takes one at a time, and of it as many as it takes.
    fn one_after_the_other(&mut self) -> Result<(), OutboxError> {
        let Some(mut events) = self.queue.pop_front() else { return Ok(()) };
        let verdicts = match &self.courier.target {
            None => all_wait(&events, "no target is set"),
            Some(Target::File(file)) => self.courier.hand_over(file, &events)?,
            Some(target) => {
                let replies = target.send(&events);
                self.note(&replies);
                self.courier.judged(&events, replies)
            }
        };
        let rest = events.split_off(verdicts.len().min(events.len()));
        if !rest.is_empty() {
            self.queue.push_front(rest);
        }
        self.conclude(events.into_iter().zip(verdicts).collect())
    }

    fn note<T>(&mut self, replies: &Result<T, TargetError>) {
        if let Err(error) = replies
            && error.is_about_the_target()
        {
            self.trouble = Some(chain(error));
        }
    }

    /// Settles what can be settled, and tells.
    fn conclude(&mut self, judged: Vec<(Pending, Verdict)>) -> Result<(), OutboxError> {
        let (mut settled, before) = (Vec::new(), self.sent.len());
        for (event, verdict) in judged {
            self.sent.push(Sent { event: event.event, sequence: event.sequence, delivery: verdict.delivery });
            settled.extend(verdict.settlement.map(|settlement| (event, settlement)));
        }
        self.settle(&settled)?;
        (self.watch)(self.sent.get(before..).unwrap_or_default());
        Ok(())
    }

    fn settle(&self, settled: &[(Pending, Settlement)]) -> Result<(), OutboxError> {
        if settled.is_empty() {
            return Ok(());
        }
        self.with_source(|source| source.settle(settled))?;
        self.courier.follow_up(settled)
    }

    /// Whoever panicked while it held the source has left it as the disk says, or marked it stale.
    fn with_source<T>(&self, work: impl FnOnce(&mut SourceBox) -> T) -> T {
        work(&mut self.source.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
