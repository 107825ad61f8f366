//! The operations of a step that are more than a line.

use std::collections::BTreeMap;

use crate::{
    arithmetic::{
        matmul::{Factor, rows},
        norm::norm,
        number::Real,
        recurrent,
        rope::Table,
    },
    error::Error,
    model::Tensor,
    program::{Delta, Norm, Rotation, Slot, StateSpace},
};

use super::{State, Turns};

impl<'a, F: Real> State<'a, F> {
    pub(super) fn norm(&self, from: Slot, wanted: &Norm) -> Result<Vec<F>, Error> {
        let weight = self.read_optional(wanted.weight.as_ref())?;
        let bias = self.read_optional(wanted.bias.as_ref())?;
        let kind = (wanted.length, wanted.centred, F::from_f32(wanted.epsilon));
        Ok(norm(
            self.value(from),
            kind,
            weight.as_deref(),
            bias.as_deref(),
        ))
    }

    /// Each value of a slot with one of others, which are repeated where they are fewer.
    pub(super) fn changed(&self, slot: Slot, others: &[F], with: impl Fn(F, F) -> F) -> Vec<F> {
        let mut value = self.value(slot).to_vec();
        for row in value.chunks_mut(others.len()) {
            for (x, other) in row.iter_mut().zip(others) {
                *x = with(*x, *other);
            }
        }
        value
    }

    pub(super) fn joined(
        &self,
        (a, a_length): (Slot, usize),
        (b, b_length): (Slot, usize),
    ) -> Vec<F> {
        let parts = self.value(a).chunks(a_length);
        let others = self.value(b).chunks(b_length);
        let each = parts.len() / others.len();
        let others = others.flat_map(|other| std::iter::repeat_n(other, each));
        let pairs = parts.zip(others);
        let joined = pairs.flat_map(|(part, other)| part.iter().chain(other));
        joined.copied().collect()
    }

    /// Products of slices of a tensor, each with its own values: those with the same slice at once.
    pub(super) fn sliced_product(
        &self,
        matrix: &Tensor,
        x: &[F],
        slices: impl Iterator<Item = usize>,
    ) -> Result<Vec<F>, Error> {
        let inputs = x.chunks(matrix.columns()).zip(slices);
        let mut of_slice = BTreeMap::<usize, Vec<(usize, &[F])>>::new();
        for (place, (row, slice)) in inputs.enumerate() {
            of_slice.entry(slice).or_default().push((place, row));
        }
        let count = x.len() / matrix.columns();
        let mut out = vec![&[] as &[F]; count];
        let mut products = Vec::new();
        for (slice, rows) in &of_slice {
            let x: Vec<F> = rows
                .iter()
                .flat_map(|(_, row)| row.iter().copied())
                .collect();
            let factor = Factor {
                matrix: &matrix.slice(*slice),
                sources: self.side.sources,
                x: &x,
            };
            products.extend(F::products(&[factor], false, &self.options)?);
        }
        for (rows, product) in of_slice.values().zip(&products) {
            for ((place, _), result) in rows.iter().zip(product.chunks(matrix.rows())) {
                if let Some(out) = out.get_mut(*place) {
                    *out = result;
                }
            }
        }
        Ok(out.concat())
    }

    /// The number of the table of a rotation for a prompt of some tokens; it has the positions of the longest prompt.
    ///
    /// # Errors
    /// Fails when a read fails.
    pub(crate) fn table_of(
        &mut self,
        rotation: &'a Rotation,
        tokens: usize,
    ) -> Result<usize, Error> {
        let factors = rotation.factors.as_ref().map(|factors| factors.of(tokens));
        let same = |known: &Turns<'_, F>| *known.rope == rotation.rope && known.factors == factors;
        if let Some(found) = self.tables.iter().position(same) {
            return Ok(found);
        }
        let read = factors.map(|factors| rows(factors, self.side.sources, 0, 1));
        let read = read.transpose()?;
        let longest = self.prompts.iter().copied().max().unwrap_or_default();
        self.tables.push(Turns {
            rope: &rotation.rope,
            factors,
            table: Table::new(&rotation.rope, read.as_deref(), longest),
        });
        Ok(self.tables.len() - 1)
    }

    pub(super) fn rotated(&mut self, slot: Slot, rotation: &'a Rotation) -> Result<Vec<F>, Error> {
        let row = self.row(slot);
        let prompts = self.prompts.clone().into_iter();
        let tables = prompts.map(|tokens| self.table_of(rotation, tokens));
        let tables: Vec<usize> = tables.collect::<Result<_, _>>()?;
        let mut value = Vec::new();
        for (piece, table) in self.pieces(slot).into_iter().zip(tables) {
            let mut piece = piece.to_vec();
            let heads = (rotation.head_dim, rotation.first);
            self.turns(table).rotate(&mut piece, row, heads);
            value.extend(piece);
        }
        Ok(value)
    }

    /// The cosines and sines of a table, for the positions of the longest prompt.
    pub(crate) fn turns(&self, number: usize) -> &Table<F> {
        let turns = self.tables.get(number);
        &turns
            .unwrap_or_else(|| unreachable!("it was made before"))
            .table
    }

    pub(super) fn tempered(&self, slot: Slot, scale: f32, length: usize, offset: usize) -> Vec<F> {
        let factor = |position: usize| {
            let steps = (position + offset) / length + 1;
            F::from_f64(1.0 + f64::from(scale) * libm::log(steps as f64))
        };
        let positions = self.prompts.iter().flat_map(|tokens| 0..*tokens);
        let rows = self.value(slot).chunks(self.row(slot));
        let tempered = rows.zip(positions).flat_map(|(row, position)| {
            let factor = factor(position);
            row.iter().map(move |x| *x * factor)
        });
        tempered.collect()
    }

    pub(super) fn delta(&self, rule: &Delta) -> Result<Vec<F>, Error> {
        let vectors = (self.read(&rule.step_bias)?, self.read(&rule.rates)?);
        let inputs = self.pieces(rule.mixed).into_iter();
        let inputs = inputs
            .zip(self.pieces(rule.beta))
            .zip(self.pieces(rule.alpha));
        let out = inputs.flat_map(|((mixed, beta), alpha)| {
            recurrent::delta(rule, (mixed, beta, alpha), (&vectors.0, &vectors.1))
        });
        Ok(out.collect())
    }

    pub(super) fn state_space(&self, space: &StateSpace) -> Result<Vec<F>, Error> {
        let (rates, skip) = (self.read(&space.rates)?, self.read(&space.skip)?);
        let bias = self.read(&space.step_bias)?;
        let inputs = self
            .pieces(space.mixed)
            .into_iter()
            .zip(self.pieces(space.step));
        let out =
            inputs.flat_map(|inputs| recurrent::state_space(space, inputs, [&bias, &rates, &skip]));
        Ok(out.collect())
    }
}
