/** The tables, as numbered steps. A step that was released is never edited: a change is a new step. */
import type { Database } from './database.ts'

const MIGRATIONS: readonly { readonly name: string; readonly sql: string }[] = [
  {
    name: 'suites, latents, labels, runs',
    sql: `
create extension if not exists pg_trgm;

create table hooke.suites (
  name text primary key,
  info jsonb not null default '{}',
  created_at timestamptz not null default now()
);

create table hooke.saes (
  id text primary key,
  suite text not null references hooke.suites(name) on delete cascade,
  hook text not null,
  layer integer,
  d_in integer not null,
  d_sae integer not null,
  l0_target double precision,
  state text not null default 'waiting' check (state in ('waiting', 'training', 'trained', 'indexed', 'labelled')),
  metrics jsonb,
  density_histogram jsonb
);
create index saes_suite on hooke.saes (suite);

create table hooke.latents (
  sae text not null references hooke.saes(id) on delete cascade,
  index integer not null,
  density double precision not null,
  n_active double precision not null,
  max_act double precision not null,
  mean_act double precision not null,
  -- Distinct peak tokens, most frequent first, and how many of the top examples peak there.
  top_tokens text[] not null,
  top_token_counts integer[] not null,
  top_logits text[] not null,
  -- The same, element by element, in search form: trimmed, lower case.
  token_keys text[] not null,
  logit_keys text[] not null,
  -- token_keys once each, a space before every one: for typos and beginnings of words.
  token_text text not null,
  primary key (sae, index)
);
create index latents_density on hooke.latents (sae, density, index);
create index latents_max_act on hooke.latents (sae, max_act, index);
-- fastupdate would put off the work to a moment that blocks everything for long; an embedded database has no other process for it.
create index latents_token_keys on hooke.latents using gin (token_keys) with (fastupdate = off);
create index latents_logit_keys on hooke.latents using gin (logit_keys) with (fastupdate = off);
create index latents_token_text on hooke.latents using gin (token_text gin_trgm_ops) with (fastupdate = off);

create table hooke.labels (
  id integer generated always as identity primary key,
  sae text not null references hooke.saes(id) on delete cascade,
  latent integer not null,
  text text not null,
  method text not null check (method in ('manual', 'lexical', 'llm')),
  -- Which method is shown and ranked first.
  trust smallint generated always as (case method when 'manual' then 2 when 'llm' then 1 else 0 end) stored,
  author text not null,
  evidence text not null,
  score double precision,
  score_method text,
  created_at timestamptz not null default now(),
  retired_at timestamptz,
  -- Stems for meaning, words as they stand for exactness.
  words tsvector generated always as (to_tsvector('english', text) || to_tsvector('simple', text)) stored
);
create unique index labels_in_force on hooke.labels (sae, latent, method, author) where retired_at is null;
create index labels_latent on hooke.labels (sae, latent, trust desc, id desc);
create index labels_words on hooke.labels using gin (words) with (fastupdate = off) where retired_at is null;
create index labels_text on hooke.labels using gin (lower(text) gin_trgm_ops) with (fastupdate = off) where retired_at is null;

create table hooke.runs (
  id text primary key,
  kind text not null,
  suite text,
  state text not null check (state in ('queued', 'running', 'done', 'failed', 'stopped')),
  message text not null,
  progress double precision not null default 0,
  remaining_ms double precision,
  error text,
  created_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  ended_at timestamptz
);
create index runs_created on hooke.runs (created_at);

create table hooke.run_points (
  run text not null references hooke.runs(id) on delete cascade,
  sae text not null,
  step integer not null,
  n_steps integer not null,
  n_tokens double precision not null,
  mse double precision not null,
  sparsity_loss double precision not null,
  l0 double precision not null,
  fvu double precision not null,
  dead double precision not null,
  tokens_per_s double precision not null,
  primary key (run, sae, step)
);
`,
  },
  {
    name: 'pause, every loss term, failed SAEs',
    sql: `
alter table hooke.runs drop constraint runs_state_check;
alter table hooke.runs add constraint runs_state_check
  check (state in ('queued', 'running', 'paused', 'done', 'failed', 'stopped'));
alter table hooke.run_points add column aux_loss double precision;
alter table hooke.run_points add column lambda double precision;
alter table hooke.saes drop constraint saes_state_check;
alter table hooke.saes add constraint saes_state_check
  check (state in ('waiting', 'training', 'failed', 'trained', 'indexed', 'labelled'));
alter table hooke.saes add column failed jsonb;
`,
  },
]

/** Any constant: programs that start at the same time on one server wait for each other on it. */
const MIGRATION_LOCK = 4_665_001

/**
 * Brings the schema `hooke` up to date, each step in its own transaction; does nothing where it is.
 * @throws Error when the database is newer than this program.
 */
export async function migrate(db: Database): Promise<void> {
  for (;;) {
    const done = await db.transaction(async (tx) => {
      await tx.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK])
      await tx.query('create schema if not exists hooke')
      await tx.query(
        'create table if not exists hooke.migrations (version integer primary key, name text not null, applied_at timestamptz not null default now())',
      )
      const [row] = await tx.query<{ version: number | null }>(
        'select max(version) as version from hooke.migrations',
      )
      const version = row?.version ?? 0
      if (version > MIGRATIONS.length)
        throw new Error(
          `${db.location}: its tables are at version ${version}, this Hooke knows ${MIGRATIONS.length}. Update Hooke, or use another database.`,
        )
      const next = MIGRATIONS[version]
      if (!next) return true
      for (const statement of statements(next.sql)) await tx.query(statement)
      await tx.query('insert into hooke.migrations (version, name) values ($1, $2)', [
        version + 1,
        next.name,
      ])
      return false
    })
    if (done) return
  }
}

/** Our own steps hold no `;` inside a statement, so a line that ends in one ends it. */
function statements(sql: string): string[] {
  return sql
    .split(/;\s*$/m)
    .map((s) => s.trim())
    .filter((s) => s !== '')
}
