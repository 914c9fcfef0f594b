//! Damage to both stores by another process.

use pipeline::record::Column;
use pipeline::record::row::{Row, Value};
use pipeline::warehouse::Warehouse;

use crate::history::Damage;
use crate::judge::id_of_key;
use crate::model::Model;
use crate::world::{Content, World};

/// Number of rows that a failover loses.
const LOST: usize = 5;

/// Damages what the number selects, if there is anything to damage.
pub async fn damage(world: &World, model: &mut Model, (damage, number): (Damage, u64)) -> anyhow::Result<()> {
    let content = world.content().await?;
    let key = pick(content.objects.keys(), number);
    let id = pick(content.rows.keys(), number);
    match (damage, key, id) {
        (Damage::RowDeleted, _, Some(id)) => {
            model.damage(id);
            world.rows.remove(id);
        }
        (Damage::RowChanged, _, Some(id)) => {
            model.damage(id);
            world.rows.overwrite(changed(&content.rows[id]));
        }
        (Damage::ObjectDeleted, Some(key), _) => {
            model.damage(id_of_key(key));
            world.remove_object(key);
        }
        (Damage::ObjectChanged, Some(key), _) => {
            if let Ok(serde_json::Value::Object(mut members)) = serde_json::from_slice(&content.objects[key]) {
                let value = members["consumo_real"].as_f64().unwrap_or_default();
                members["consumo_real"] = (value + 1.5).into();
                model.damage(id_of_key(key));
                world.overwrite_object(key, serde_json::to_vec(&members)?);
            }
        }
        (Damage::ObjectTruncated, Some(key), _) => {
            let body = &content.objects[key];
            model.damage(id_of_key(key));
            world.overwrite_object(key, body.slice(..body.len() / 2));
        }
        (Damage::NewestRowsLost, ..) => lose_newest(world, model, &content),
        (Damage::TableDropped, ..) => {
            content.rows.keys().for_each(|id| model.damage(id));
            world.rows.drop_table();
            world.rows.init().await?;
        }
        _ => {}
    }
    Ok(())
}

fn pick<'a>(mut from: impl ExactSizeIterator<Item = &'a String>, number: u64) -> Option<&'a String> {
    let count = from.len().max(1) as u64;
    from.nth(usize::try_from(number % count).unwrap_or_default())
}

fn changed(row: &Row) -> Row {
    let mut row = row.clone();
    if let Value::Integer(animals) = &mut row.0[Column::QuantidadeAnimais.index()] {
        *animals += 1;
    }
    row
}

fn lose_newest(world: &World, model: &mut Model, content: &Content) {
    let mut rows: Vec<&Row> = content.rows.values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.instant(Column::RowTs), row.id().to_owned())));
    for row in rows.into_iter().take(LOST) {
        model.damage(row.id());
        world.rows.remove(row.id());
    }
}
