//! All subscriptions of this home, by session and by user.

use std::collections::HashMap;
use std::time::Duration;

use cell_gateway::home::SessionId;
use cell_types::{DeviceId, UserKey};

use super::outlet::LinkId;
use super::subscription::{HelloOrder, Subscription};

/// Hellos closer together than this count in the order in which they arrive: gateways' clocks tell no more, and a client
/// that comes back waits longer than the clocks of two gateways differ.
const SAME_TIME: Duration = Duration::from_millis(200);

/// The number of the opening that a `hello` itself makes.
const FIRST_ATTEMPT: u32 = 1;

/// A session at this home: gateways number theirs independently.
pub(super) type Place = (LinkId, SessionId);

/// Subscriptions by place, and places by user.
#[derive(Default)]
pub(super) struct Table {
    subscriptions: HashMap<Place, Subscription>,
    users: HashMap<UserKey, Vec<Place>>,
}

/// What became of a subscription that was to be entered.
pub(super) enum Entered {
    /// It is in; these older ones of the same device were taken out.
    In { replaced: Vec<(Place, Subscription)> },
    /// A later `hello` of the same device is there already.
    TooLate,
    /// A later attempt of the same session is there already: this one was still on its way over an earlier link.
    Outdated,
}

/// Another subscription of the same device.
struct Rival {
    place: Place,
    order: HelloOrder,
    attempt: u32,
}

impl Rival {
    fn is_later_than(&self, other: &Subscription) -> bool {
        let ((at, _), (other_at, _)) = (self.order, other.order);
        let comes_next = other.attempt == FIRST_ATTEMPT && at <= other_at.plus(SAME_TIME);
        !comes_next && self.order > other.order
    }
}

impl Table {
    /// Enters a subscription: of two of one device the later `hello` wins, whoever comes last.
    pub(super) fn enter(&mut self, place: Place, subscription: Subscription) -> Entered {
        // The same session asks again: its gateway lost our answer, or chose to start over.
        self.remove(place);
        let rivals = self.rivals(&subscription.key, &subscription.device);
        if rivals.iter().any(|rival| rival.is_later_than(&subscription)) {
            return Entered::TooLate;
        }
        if rivals.iter().any(|rival| rival.order == subscription.order && rival.attempt > subscription.attempt) {
            return Entered::Outdated;
        }
        let replaced =
            rivals.into_iter().filter_map(|rival| Some((rival.place, self.remove(rival.place)?))).collect::<Vec<_>>();
        self.users.entry(subscription.key).or_default().push(place);
        self.subscriptions.insert(place, subscription);
        Entered::In { replaced }
    }

    fn rivals(&self, user: &UserKey, device: &DeviceId) -> Vec<Rival> {
        let places = self.users.get(user).into_iter().flatten();
        places
            .filter_map(|place| Some((*place, self.subscriptions.get(place)?)))
            .filter(|(_, subscription)| subscription.device == *device)
            .map(|(place, subscription)| Rival { place, order: subscription.order, attempt: subscription.attempt })
            .collect()
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Subscription> {
        self.subscriptions.get_mut(&place)
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<Subscription> {
        let subscription = self.subscriptions.remove(&place)?;
        if let Some(places) = self.users.get_mut(&subscription.key) {
            places.retain(|other| *other != place);
            if places.is_empty() {
                self.users.remove(&subscription.key);
            }
        }
        Some(subscription)
    }

    /// Calls `each` for every subscription of a user.
    pub(super) fn for_user(&mut self, user: &UserKey, mut each: impl FnMut(Place, &mut Subscription)) {
        for place in self.users.get(user).into_iter().flatten() {
            if let Some(subscription) = self.subscriptions.get_mut(place) {
                each(*place, subscription);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.values()
    }

    /// A gateway's link broke.
    pub(super) fn remove_link(&mut self, link: LinkId) {
        let places: Vec<Place> = self.subscriptions.keys().filter(|place| place.0 == link).copied().collect();
        for place in places {
            self.remove(place);
        }
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Place, Subscription)> + use<> {
        std::mem::take(self).subscriptions.into_iter()
    }

    pub(super) fn len(&self) -> usize {
        self.subscriptions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::subscription::tests::subscription;

    fn place(link: u64, session: u64) -> Place {
        (LinkId(link), SessionId(session))
    }

    #[test]
    fn the_later_hello_of_a_device_replaces_the_earlier_one() {
        let mut table = Table::default();
        table.enter(place(1, 1), subscription("phone", 10));
        let Entered::In { replaced } = table.enter(place(2, 1), subscription("phone", 20)) else { panic!("refused") };
        assert_eq!(replaced[0].0, place(1, 1));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn an_earlier_hello_that_re_subscribes_last_loses() {
        let mut table = Table::default();
        table.enter(place(2, 1), subscription("phone", 20));
        let mut earlier = subscription("phone", 10);
        earlier.attempt = FIRST_ATTEMPT + 1;
        assert!(matches!(table.enter(place(1, 1), earlier), Entered::TooLate));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn hellos_at_the_same_time_count_in_the_order_of_their_arrival() {
        let mut table = Table::default();
        table.enter(place(1, 1), subscription("phone", 1_000));
        let mut tied = subscription("phone", 1_000);
        (tied.order.1, tied.attempt) = (7, FIRST_ATTEMPT);
        table.enter(place(1, 2), tied);
        assert!(matches!(table.enter(place(1, 3), subscription("phone", 1_000)), Entered::In { .. }), "a tie");
        assert!(matches!(table.enter(place(2, 1), subscription("phone", 900)), Entered::In { .. }), "a slow clock");
        assert!(matches!(table.enter(place(3, 1), subscription("phone", 500)), Entered::TooLate));
        let mut again = subscription("phone", 890);
        again.attempt = FIRST_ATTEMPT + 1;
        assert!(matches!(table.enter(place(3, 2), again), Entered::TooLate), "it re-subscribes: it was there before");
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn what_a_session_asked_over_an_earlier_link_does_not_take_its_place_from_what_it_asked_since() {
        let mut table = Table::default();
        let asked = |attempt| {
            let mut subscription = subscription("phone", 10);
            subscription.attempt = attempt;
            subscription
        };
        table.enter(place(2, 1), asked(2));
        assert!(matches!(table.enter(place(1, 1), asked(1)), Entered::Outdated));
        assert!(table.get_mut(place(2, 1)).is_some());
        assert!(matches!(table.enter(place(3, 1), asked(3)), Entered::In { .. }));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn devices_of_a_user_are_independent() {
        let mut table = Table::default();
        table.enter(place(1, 1), subscription("phone", 10));
        table.enter(place(1, 2), subscription("laptop", 5));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn a_broken_link_takes_its_sessions_along() {
        let mut table = Table::default();
        table.enter(place(1, 1), subscription("phone", 10));
        table.enter(place(2, 1), subscription("laptop", 10));
        table.remove_link(LinkId(1));
        let mut left = Vec::new();
        table.for_user(&subscription("x", 0).key, |place, _| left.push(place));
        assert_eq!(left, [place(2, 1)]);
    }
}
