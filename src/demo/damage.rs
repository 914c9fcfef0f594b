//! Damage to both stores, made directly, unlike by any command of this program; and the one that is fixed manually.

use std::fs;
use std::path::PathBuf;

use sqlx::AssertSqlSafe;

use super::Demo;
use super::commands::quoted;
use pipeline::lake::{Key, list_all};

/// Directory for the object that is moved away.
const MOVED: &str = "moved-away";

/// Returns the condition for `count` rows from the position `from` in the order of ids.
fn rows(from: u32, count: u32) -> String {
    format!("id_treated_data IN (SELECT id_treated_data FROM historico_consumo ORDER BY 1 LIMIT {count} OFFSET {from})")
}

impl Demo<'_> {
    /// Damages both stores: deletes and changes rows, removes and truncates objects.
    pub(super) async fn damage(&mut self) -> anyhow::Result<()> {
        let delete = format!("DELETE FROM historico_consumo WHERE {}", rows(100, 5));
        let change = format!("UPDATE historico_consumo SET peso_medio = peso_medio + 0.001 WHERE {}", rows(200, 3));
        let mut keys: Vec<String> = list_all(&*self.lake, "").await?.into_iter().map(|object| object.key).collect();
        keys.sort_by_key(|key| Key::parse(key).and_then(|key| key.id)); // other records than the rows damaged above
        let damaged: Vec<PathBuf> = keys.iter().skip(300).take(3).map(|key| self.dir.join("lake").join(key)).collect();
        let [lost, other, broken] = &damaged[..] else { anyhow::bail!("the demo lake is too small to damage") };
        let half = fs::read(broken)?.len() / 2;
        let shown = |path: &PathBuf| path.display().to_string();
        let commands = vec![
            self.commands.sql(&delete),
            self.commands.sql(&change),
            quoted(&["rm", &shown(lost), &shown(other)]),
            quoted(&["truncate", "-s", &half.to_string(), &shown(broken)]),
        ];
        self.begin("Damage both stores", commands);
        let warehouse = self.warehouse();
        let run = async |sql: String| sqlx::query(AssertSqlSafe(sql)).execute(warehouse.pool()).await;
        let deleted = run(delete).await?.rows_affected();
        let changed = run(change).await?.rows_affected();
        fs::remove_file(lost)?;
        fs::remove_file(other)?;
        fs::File::options().write(true).open(broken)?.set_len(half as u64)?;
        self.end_with_text(&[
            format!("{deleted} rows deleted, {changed} weights changed by a gram"),
            "2 objects removed, 1 truncated".to_owned(),
        ]);
        Ok(())
    }

    /// Moves the truncated object out of the lake, which a repair must not do.
    pub(super) async fn move_unreadable_object(&mut self) -> anyhow::Result<()> {
        let mut unreadable = Vec::new();
        for object in list_all(&*self.lake, "").await? {
            let path = self.dir.join("lake").join(&object.key);
            if pipeline::record::Record::parse(&fs::read(&path)?).is_err() {
                unreadable.push((object.key, path));
            }
        }
        let away = self.dir.join(MOVED);
        let to = self.commands.path(MOVED);
        let moves = unreadable.iter().map(|(_, path)| quoted(&["mv", &path.display().to_string(), &format!("{to}/")]));
        let commands = std::iter::once(quoted(&["mkdir", "-p", &to])).chain(moves).collect();
        self.begin("Move the unreadable object away manually", commands);
        let mut moved = Vec::new();
        for (key, path) in unreadable {
            fs::create_dir_all(&away)?;
            let name = path.file_name().map(PathBuf::from).unwrap_or_default();
            fs::rename(&path, away.join(name))?;
            moved.push(format!("moved {key} out of the lake"));
        }
        self.end_with_text(&moved);
        Ok(())
    }
}
