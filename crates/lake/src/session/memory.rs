//! The memory limit of a session's statements.

use std::fmt;

use datafusion::error::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, GreedyMemoryPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// Share of the limit that operators which can spill may fill between them.
const SPILLABLE: (usize, usize) = (3, 4);

/// A pool in which what can spill leaves room for what cannot.
///
/// DataFusion's fair pool lets sorts take all there is; the merge of what they
/// have spilled cannot spill itself, finds nothing left, and the statement fails
/// although it had spilled all it should. Here every byte counts against the
/// whole limit, and those of operators that can spill against a share of it
/// too, which they divide fairly.
#[derive(Debug)]
pub(super) struct Pool {
    whole: GreedyMemoryPool,
    spillable: FairSpillPool,
}

impl Pool {
    pub(super) fn new(limit_bytes: usize) -> Self {
        let share = limit_bytes / SPILLABLE.1 * SPILLABLE.0;
        Self { whole: GreedyMemoryPool::new(limit_bytes), spillable: FairSpillPool::new(share) }
    }
}

impl MemoryPool for Pool {
    fn name(&self) -> &str {
        "lakegate"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.spillable.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.spillable.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.whole.grow(reservation, additional);
        if reservation.consumer().can_spill() {
            self.spillable.grow(reservation, additional);
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.whole.shrink(reservation, shrink);
        if reservation.consumer().can_spill() {
            self.spillable.shrink(reservation, shrink);
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.whole.try_grow(reservation, additional)?;
        if reservation.consumer().can_spill()
            && let Err(e) = self.spillable.try_grow(reservation, additional)
        {
            self.whole.shrink(reservation, additional);
            return Err(e);
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.whole.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.whole.memory_limit()
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}, {}", self.name(), self.whole, self.spillable)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_can_spill_leaves_room_for_what_cannot() {
        let pool: Arc<dyn MemoryPool> = Arc::new(Pool::new(400));
        let sort = MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        let other = MemoryConsumer::new("other").with_can_spill(true).register(&pool);
        let merge = MemoryConsumer::new("merge").register(&pool);
        assert!(sort.try_grow(151).is_err(), "two share 300");
        sort.try_grow(150).unwrap();
        other.try_grow(150).unwrap();
        assert_eq!(pool.reserved(), 300, "what failed is not counted");
        merge.try_grow(100).unwrap();
        assert!(merge.try_grow(1).is_err(), "the limit holds for all");
        drop(sort);
        merge.try_grow(150).unwrap();
        drop((other, merge));
        assert_eq!(pool.reserved(), 0);
    }
}
