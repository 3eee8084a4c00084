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
  {
    name: 'votes, reviews, undo of labels',
    sql: `
-- Votes are counted here as well, so that chips and the review queue need no join.
alter table hooke.labels add column n_agree integer not null default 0;
alter table hooke.labels add column n_dispute integer not null default 0;
alter table hooke.labels add column disputed boolean generated always as (n_dispute > 0 and n_dispute >= n_agree) stored;
-- Why to look again: the larger of 1 - score and the share of votes against it; null while neither is known.
alter table hooke.labels add column doubt double precision generated always as (greatest(1 - score,
  case when n_agree + n_dispute > 0 then n_dispute::double precision / (n_agree + n_dispute) end)) stored;
-- The claim by the same method and author that this one took the place of.
alter table hooke.labels add column replaces integer;
create index labels_doubt on hooke.labels (sae, doubt desc) where retired_at is null and doubt is not null;

create table hooke.label_votes (
  label integer not null references hooke.labels(id) on delete cascade,
  author text not null,
  agrees boolean not null,
  voted_at timestamptz not null default now(),
  primary key (label, author)
);

create table hooke.reviews (
  id integer generated always as identity primary key,
  sae text not null references hooke.saes(id) on delete cascade,
  latent integer not null,
  reviewer text not null,
  blind boolean not null,
  guess text,
  decision text not null check (decision in ('accept', 'edit', 'dispute', 'skip')),
  -- The label that was accepted, disputed or written.
  label integer,
  -- What the reviewer had voted on it before.
  vote_before boolean,
  reviewed_at timestamptz not null default now()
);
create index reviews_latent on hooke.reviews (sae, latent, reviewer);

-- A guess held against a label that was not shown while it was made.
create table hooke.judgements (
  review integer not null references hooke.reviews(id) on delete cascade,
  label integer not null,
  verdict text check (verdict in ('same', 'partly', 'different')),
  -- Words in both over words in either; null where neither holds a word.
  overlap double precision,
  primary key (review, label)
);
`,
  },
  {
    name: 'search that stops early',
    sql: `
-- Misspelt words are looked up among words, not among labels.
drop index hooke.labels_text;
-- A for words as they stand, B for their stems.
alter table hooke.labels drop column words;
alter table hooke.labels add column words tsvector generated always as
  (setweight(to_tsvector('simple', text), 'A') || setweight(to_tsvector('english', text), 'B')) stored;
create index labels_words on hooke.labels using gin (words) with (fastupdate = off) where retired_at is null;
-- What search looks through in the order of rank, where a word is in more labels than it reads.
create index labels_rank on hooke.labels (trust desc, length(text)) where retired_at is null;
create index labels_same_words on hooke.labels (strip(to_tsvector('simple', text)), trust desc, length(text))
  where retired_at is null and length(text) < 200;
create index labels_author on hooke.labels (method, author) where retired_at is null;
create index labels_score on hooke.labels (score) where retired_at is null and score is not null;

create function hooke.total(integer[]) returns double precision language sql immutable strict
  as 'select sum(n)::double precision from unnest($1) n';
-- Top examples in all.
alter table hooke.latents add column n_top double precision generated always as (hooke.total(top_token_counts)) stored;
create index latents_peak on hooke.latents ((token_keys[1]), ((top_token_counts[1]::double precision / n_top)) desc);
create index latents_first_logit on hooke.latents ((logit_keys[1]), density);

-- Words of labels and tokens that were ever entered.
create table hooke.words (word text primary key);
create index words_alike on hooke.words using gin (word gin_trgm_ops) with (fastupdate = off);
create function hooke.label_words() returns trigger language plpgsql as $$
begin
  insert into hooke.words select distinct w from fresh cross join unnest(tsvector_to_array(to_tsvector('simple', text))) w
    where length(w) between 3 and 40 on conflict do nothing ; return null ; end $$;
create trigger label_words after insert on hooke.labels
  referencing new table as fresh for each statement execute function hooke.label_words();
create function hooke.latent_words() returns trigger language plpgsql as $$
begin
  insert into hooke.words select distinct w from fresh cross join unnest(token_keys) w
    where length(w) between 3 and 40 on conflict do nothing ; return null ; end $$;
create trigger latent_words after insert on hooke.latents
  referencing new table as fresh for each statement execute function hooke.latent_words();
create trigger latent_words_again after update on hooke.latents
  referencing new table as fresh for each statement execute function hooke.latent_words();
insert into hooke.words select distinct w from hooke.labels cross join unnest(tsvector_to_array(to_tsvector('simple', text))) w
  where length(w) between 3 and 40 on conflict do nothing;
insert into hooke.words select distinct w from hooke.latents cross join unnest(token_keys) w
  where length(w) between 3 and 40 on conflict do nothing;
`,
  },
  {
    name: 'scores of labels',
    sql: `
create table hooke.label_scores (
  label integer not null references hooke.labels(id) on delete cascade,
  scorer text not null,
  -- The language model, or the embedding model, that judged.
  judge text not null,
  measure text not null,
  value double precision not null,
  -- Bounds of the 95 % interval.
  low double precision not null,
  high double precision not null,
  chance double precision not null,
  n integer not null,
  scored_at timestamptz not null default now(),
  primary key (label, scorer, judge)
);
`,
  },
  {
    name: 'doubt weighs blind guesses and labels that differ',
    sql: `
-- How far two texts differ: 1 - words in both over words in either, by their stems, which labels.words has as B; null where
-- neither holds a word.
create function hooke.difference(a tsvector, b tsvector) returns double precision language sql immutable strict as
  'select 1 - n_both::double precision / nullif(n_a + n_b - n_both, 0) from (
     select cardinality(s_a) as n_a, cardinality(s_b) as n_b, (select count(*) from unnest(s_a) w where w = any (s_b)) as n_both
     from (select tsvector_to_array(ts_filter(a, ''{b}'')) as s_a, tsvector_to_array(ts_filter(b, ''{b}'')) as s_b) stems) counts';
-- Whose words can be held against each other: a person's against all, language models' against each other. A lexical label names
-- tokens; that a language model's names none of them says little.
create function hooke.comparable(a text, b text) returns boolean language sql immutable strict as
  'select ''manual'' in (a, b) or ''lexical'' not in (a, b)';
alter table hooke.labels drop column doubt;
-- The largest difference from a comparable label in force on the latent; null while there is none.
alter table hooke.labels add column difference double precision;
-- Of blind guesses that were held against it the share that differ, partly counting half; null while there is none.
alter table hooke.labels add column guesses_against double precision;
update hooke.labels l set difference = d.difference from (
  select a.id, max(hooke.difference(a.words, b.words)) as difference
  from hooke.labels a join hooke.labels b on b.sae = a.sae and b.latent = a.latent and b.id <> a.id
  where a.retired_at is null and b.retired_at is null and hooke.comparable(a.method, b.method) group by a.id
) d where l.id = d.id;
update hooke.labels l set guesses_against = g.against from (
  select j.label, avg(case j.verdict when 'different' then 1 when 'partly' then 0.5 else 0 end)::double precision as against
  from hooke.judgements j join hooke.reviews r on r.id = j.review
  where r.blind and j.verdict is not null
    and not exists (select 1 from hooke.label_votes v where v.label = j.label and v.author = r.reviewer) group by j.label
) g where l.id = g.label;
-- Why to look again; null while nothing is known. Other words and other guesses are weaker signs than a low score or a vote
-- against: at the most they count like a score at chance.
alter table hooke.labels add column doubt double precision generated always as (greatest(1 - score,
  case when n_agree + n_dispute > 0 then n_dispute::double precision / (n_agree + n_dispute) end,
  guesses_against / 2, difference / 2)) stored;
create index labels_doubt on hooke.labels (sae, doubt desc) where retired_at is null and doubt is not null;
`,
  },
  {
    name: 'labels are looked up by their latent',
    sql: `
-- Before there are statistics, an index over fewer columns looks as good as labels_in_force, and labels_author was read from end
-- to end for every label that came in. As expressions these serve only who asks for them, as filters of a search do.
drop index hooke.labels_author;
create index labels_method on hooke.labels ((method || '')) where retired_at is null;
create index labels_author on hooke.labels ((author || '')) where retired_at is null;
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
