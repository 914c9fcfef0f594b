//! Cycles of a graph: one shortest cycle for each group of nodes that reach one another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Returns a cycle for each group, as the labels of its edges in order.
pub fn cycles<N: Ord + Clone, L: Copy>(edges: impl IntoIterator<Item = (N, N, L)>) -> Vec<Vec<L>> {
    let mut next: BTreeMap<N, BTreeMap<N, L>> = BTreeMap::new();
    for (from, to, label) in edges {
        next.entry(from).or_default().entry(to).or_insert(label);
    }
    let (mut cycles, mut seen) = (Vec::new(), BTreeSet::new());
    for node in next.keys() {
        if seen.contains(node) {
            continue;
        }
        if let Some(cycle) = shortest(node, &next) {
            seen.extend(cycle.iter().map(|(from, _)| from.clone()));
            cycles.push(cycle.into_iter().map(|(_, label)| label).collect());
        }
    }
    cycles
}

/// Returns the shortest path from a node back to itself: the start and the label of each edge.
fn shortest<N: Ord + Clone, L: Copy>(start: &N, next: &BTreeMap<N, BTreeMap<N, L>>) -> Option<Vec<(N, L)>> {
    let mut came_by: BTreeMap<&N, (&N, L)> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for (to, label) in next.get(node).into_iter().flatten() {
            if to == start {
                let (mut cycle, mut at) = (vec![(node.clone(), *label)], node);
                while at != start {
                    let (from, label) = came_by[at];
                    cycle.push((from.clone(), label));
                    at = from;
                }
                cycle.reverse();
                return Some(cycle);
            }
            if !came_by.contains_key(to) {
                came_by.insert(to, (node, *label));
                queue.push_back(to);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_are_found_and_what_only_leads_to_them_is_not() {
        let edges = [(0, 1), (1, 2), (2, 1), (3, 4), (4, 5), (5, 3)].map(|(from, to)| (from, to, (from, to)));
        assert_eq!(cycles(edges), [vec![(1, 2), (2, 1)], vec![(3, 4), (4, 5), (5, 3)]]);
        assert_eq!(cycles(edges.into_iter().take(2)), Vec::<Vec<(i32, i32)>>::new());
    }
}
