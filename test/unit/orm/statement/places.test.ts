import { Reader } from '../../../../src/orm/statement/read'
import { databases, inDialect, languages, placesIn, readerOf, table } from './support'

/** Both encrypted columns of `usr`, as a star stands for them. */
const both = (row: string, place: string): string[] => [
  `${row}.secret ${place}`,
  `${row}.raw_secret ${place}`,
]

/** Statements with `"names"` and `?`, and what each does with encrypted columns. */
const statements: [sql: string, ...places: string[]][] = [
  ['INSERT INTO "usr" ("secret") VALUES (UPPER(?)), (NULL)', 'usr.secret raw-value'],
  ['INSERT INTO "usr" ("secret") VALUES (?), (UPPER(?))', 'usr.secret raw-value'],
  // Where an encrypted column may stand.
  ['SELECT "usr"."id" AS "usr_id", "usr"."secret" AS "usr_secret" FROM "usr" "usr"', 'usr.secret selected'],
  ['SELECT * FROM usr u', 'u.secret selected', 'u.raw_secret selected'],
  ['SELECT u.* FROM usr u, plain p', 'u.secret selected', 'u.raw_secret selected'],
  ['SELECT p.* FROM usr u, plain p'],
  ['SELECT (secret) FROM usr', 'usr.secret selected'],
  ['SELECT u.secret FROM usr u WHERE u.secret IS NULL', 'u.secret selected', 'u.secret null-test'],
  ['SELECT 1 FROM usr u WHERE u.id > 0 AND NOT(u.secret IS NOT NULL)', 'u.secret null-test'],
  ['SELECT 1 FROM usr u WHERE (u.secret) IS NULL OR u.id = 1', 'u.secret null-test'],
  ['SELECT CASE WHEN u.secret IS NULL THEN 0 ELSE 1 END AS has FROM usr u', 'u.secret null-test'],
  ['SELECT COUNT(u.secret) FROM usr u', 'u.secret counted'],
  [
    'SELECT COUNT(u.secret) AS n FROM usr u HAVING COUNT(u.secret) > 1',
    'u.secret counted',
    'u.secret counted',
  ],
  ['SELECT COUNT(*), COUNT(1), COUNT(DISTINCT("u"."id")) AS cnt FROM usr u'],
  ['INSERT INTO "usr"("id", "secret") VALUES (1, ?)', 'usr.secret target'],
  ['UPDATE "usr" SET "secret" = ?, "name" = ? WHERE "id" IN (?)', 'usr.secret target'],
  ['UPDATE usr SET secret = NULL', 'usr.secret target'],
  ['UPDATE usr SET secret = secret', 'usr.secret target', 'usr.secret itself'],
  ['UPDATE usr SET secret = usr.secret', 'usr.secret target', 'usr.secret itself'],
  ['SELECT 1 FROM plain WHERE EXISTS (SELECT u.secret FROM usr u)', 'u.secret selected'],
  ['SELECT (SELECT u.secret FROM usr u WHERE u.id = 1) AS x FROM plain', 'u.secret selected'],
  ['SELECT d.s FROM (SELECT u.secret AS s FROM usr u) d', 'd/u.secret selected', 'u.secret selected'],
  ['SELECT u.secret FROM usr u UNION ALL SELECT p.secret FROM plain p', 'u.secret selected'],
  ['SELECT DISTINCT u.id, u.secret FROM usr u', 'u.secret grouped-by-key'],
  ['SELECT DISTINCT u.* FROM usr u', 'u.secret grouped-by-key', 'u.raw_secret grouped-by-key'],
  ['SELECT u.secret FROM usr u GROUP BY u.id, u.secret', 'u.secret selected', 'u.secret grouped-by-key'],
  ['SELECT u.id, u.secret FROM usr u GROUP BY 1, 2', 'u.secret selected', 'u.secret grouped-by-key'],
  [
    'SELECT p.a, p.b, p.secret FROM pair p UNION SELECT p.a, p.b, p.secret FROM pair p',
    'p.secret grouped-by-key',
    'p.secret grouped-by-key',
  ],
  [
    'SELECT u.id, u.secret, 1 FROM usr u UNION SELECT v.id, v.secret, v.name FROM usr v',
    'u.secret grouped-by-key',
    'v.secret grouped-by-key',
  ],
  [
    'WITH RECURSIVE c AS (SELECT id, secret FROM usr WHERE id = 1 UNION SELECT u.id, u.secret FROM usr u, c WHERE u.id = c.id) SELECT 1 FROM c',
    'usr.secret grouped-by-key',
    'u.secret grouped-by-key',
  ],

  // Searching.
  ['SELECT 1 FROM usr u WHERE u.secret = ?', 'u.secret searched'],
  ['SELECT 1 FROM usr u WHERE ? = u.secret', 'u.secret searched'],
  ['SELECT 1 FROM usr u WHERE secret = ?', 'u.secret searched'],
  ['SELECT 1 FROM usr u WHERE u.secret IN (?, ?)', 'u.secret searched'],
  ['SELECT 1 FROM usr u WHERE u.secret NOT IN (?, ?)', 'u.secret searched'],
  [
    'SELECT 1 FROM usr u WHERE u.secret LIKE ? OR u.secret IS NULL',
    'u.secret searched',
    'u.secret null-test',
  ],
  ['SELECT 1 FROM usr u WHERE u.id BETWEEN 1 AND u.secret IS NULL', 'u.secret searched'],
  ['SELECT 1 FROM usr u WHERE u.secret', 'u.secret searched'],
  ['SELECT 1 FROM usr u WHERE LENGTH(u.secret) > ?', 'u.secret searched'],
  ['SELECT 1 FROM usr u WHERE LOWER(TRIM(u.secret)) = ?', 'u.secret searched'],
  ['SELECT 1 FROM usr u WHERE (u.id, u.secret) = (?, ?)', 'u.secret searched'],
  ['SELECT 1 FROM usr u WHERE u.id > 0 -- active\n AND u.secret = ?', 'u.secret searched'],
  ['SELECT 1 FROM usr u WHERE u.id > 0 /* a */ AND u.secret = ?', 'u.secret searched'],
  ["SELECT 1 FROM usr u WHERE u.name = 'it''s' AND u.secret = ?", 'u.secret searched'],
  ['SELECT 1 FROM plain p JOIN usr u ON u.secret = p.secret', 'u.secret searched'],
  ['SELECT 1 FROM plain p JOIN usr u USING (secret)', 'u.secret searched'],
  ['SELECT 1 FROM plain p NATURAL JOIN usr u', 'u.secret searched'],
  ['SELECT u.secret = ? AS eq FROM usr u', 'u.secret searched'],
  ["SELECT CASE WHEN u.secret = ? THEN 'x' END FROM usr u", 'u.secret searched'],
  ['SELECT COUNT(CASE WHEN u.secret = ? THEN 1 END) FROM usr u', 'u.secret aggregated'],
  ['UPDATE usr SET name = CASE WHEN secret = ? THEN 1 ELSE 2 END', 'usr.secret searched'],
  ['DELETE FROM "usr" WHERE id NOT IN (SELECT x.id FROM usr x WHERE x.secret = ?)', 'x.secret searched'],
  ['SELECT 1 FROM plain p WHERE p.secret IN (SELECT u.secret FROM usr u)', 'u.secret searched'],
  ['SELECT 1 FROM plain p WHERE p.secret IN ((SELECT u.secret FROM usr u))', 'u.secret searched'],
  ['SELECT 1 FROM plain p WHERE p.secret = (SELECT u.secret FROM usr u)', 'u.secret searched'],
  ['SELECT 1 FROM plain p WHERE ? IN (SELECT * FROM member)', 'member.secret searched'],
  ['SELECT 1 FROM plain p WHERE EXISTS (SELECT 1 FROM usr u WHERE u.secret = p.secret)', 'u.secret searched'],
  ['SELECT 1 FROM usr u WHERE EXISTS (SELECT 1 FROM plain p WHERE u.secret = p.name)', 'u.secret searched'],
  [
    'SELECT d.s FROM (SELECT u.secret AS s FROM usr u) d WHERE d.s = ?',
    'd/u.secret selected',
    'u.secret selected',
    'd/u.secret searched',
  ],
  [
    'WITH c AS (SELECT u.secret AS s FROM usr u) SELECT 1 FROM c WHERE s = ?',
    'u.secret selected',
    'c/u.secret searched',
  ],
  [
    'WITH c (t) AS (SELECT u.secret FROM usr u) SELECT 1 FROM c WHERE c.t = ?',
    'u.secret selected',
    'c/u.secret searched',
  ],
  ['SELECT u.secret AS s FROM usr u GROUP BY u.id HAVING s = ?', 'u.secret selected', 'u.secret searched'],
  ['SELECT 1 FROM usr u GROUP BY u.id HAVING MAX(u.secret) = ?', 'u.secret aggregated'],
  ['SELECT 1 FROM "public"."member" m WHERE m.secret = ?', 'm.secret searched'],
  ['SELECT 1 FROM usr u WHERE nobody.secret = ?', '?.secret unplaced'],

  // Sorting, aggregating, grouping, computing.
  ['SELECT u.id FROM usr u ORDER BY u.secret DESC', 'u.secret ordered'],
  ['SELECT u.id FROM usr u ORDER BY u.id, secret', 'u.secret ordered'],
  ['SELECT u.secret AS s FROM usr u ORDER BY s', 'u.secret selected', 'u.secret ordered'],
  ['SELECT u.id, u.secret FROM usr u ORDER BY 2', 'u.secret selected', 'u.secret ordered'],
  ['SELECT u.id FROM usr u ORDER BY LENGTH(u.secret)', 'u.secret ordered'],
  [
    'SELECT u.id, ROW_NUMBER() OVER (PARTITION BY u.secret ORDER BY u.raw_secret) FROM usr u',
    'u.secret grouped',
    'u.raw_secret ordered',
  ],
  ['SELECT SUM(u.secret) FROM usr u', 'u.secret aggregated'],
  ['SELECT SUM(COALESCE(u.secret, 0)) AS s FROM usr u', 'u.secret aggregated'],
  ['SELECT COUNT(DISTINCT u.secret) FROM usr u', 'u.secret counted-distinct'],
  ['SELECT COUNT(DISTINCT("u"."secret")) AS "cnt" FROM usr u', 'u.secret counted-distinct'],
  ['SELECT u.name FROM usr u GROUP BY u.name, u.secret', 'u.secret grouped'],
  ['SELECT u.secret FROM usr u GROUP BY u.secret', 'u.secret selected', 'u.secret grouped'],
  ['SELECT DISTINCT u.secret FROM usr u', 'u.secret grouped'],
  ['SELECT DISTINCT p.a, p.secret FROM pair p', 'p.secret grouped'],
  ['SELECT u.secret FROM usr u UNION SELECT p.secret FROM plain p', 'u.secret grouped'],
  // Rows of two tables may be equal, and no two ciphertexts are.
  ...['UNION', 'INTERSECT', 'EXCEPT', 'EXCEPT ALL'].map((operation): [string, ...string[]] => [
    `SELECT u.id, u.secret FROM usr u ${operation} SELECT m.id, m.secret FROM member m`,
    'u.secret grouped',
    'm.secret grouped',
  ]),
  ["SELECT u.id, u.secret FROM usr u UNION SELECT u.id, 'x' FROM usr u", 'u.secret grouped'],
  // A star for columns that are not known may move the others to any place.
  [
    'SELECT n.*, u.id, u.secret FROM nowhere n, usr u UNION SELECT u.id, u.secret, n.* FROM nowhere n, usr u',
    'u.secret grouped',
    'u.secret grouped',
  ],
  [
    'SELECT * FROM (SELECT * FROM nowhere) n, member UNION SELECT member.*, n.* FROM member, nowhere n',
    'member.secret grouped',
    'member.secret grouped',
  ],
  [
    'SELECT x.*, u.id, u.secret FROM usr u UNION SELECT u.id, u.secret, x.* FROM usr u',
    'u.secret grouped',
    'u.secret grouped',
  ],
  [
    'SELECT * FROM (SELECT id, secret FROM member) d UNION SELECT m.* FROM member m',
    'd/member.secret grouped-by-key',
    'member.secret selected',
    'm.secret grouped-by-key',
  ],
  [
    'SELECT u.id, u.secret FROM usr u UNION SELECT 1, u.secret FROM usr u',
    'u.secret grouped',
    'u.secret grouped',
  ],
  ['SELECT u.id, u.secret FROM usr u UNION SELECT u.id FROM usr u', 'u.secret grouped'],
  [
    'SELECT p.a, p.b, p.secret FROM pair p UNION SELECT p.b, p.a, p.secret FROM pair p',
    'p.secret grouped',
    'p.secret grouped',
  ],
  ['SELECT u.secret * 2 FROM usr u', 'u.secret computed'],
  ['SELECT LENGTH(u.secret) AS l FROM usr u', 'u.secret computed'],
  ['SELECT SUBSTRING(u.secret, 1, 2) FROM usr u', 'u.secret computed'],
  ['SELECT CAST(u.secret AS CHAR) FROM usr u', 'u.secret computed'],
  ['SELECT COALESCE((SELECT u.secret FROM usr u), 1) AS x FROM plain', 'u.secret computed'],

  // SQL that is stored.
  ['INSERT INTO usr (secret) VALUES (UPPER(?))', 'usr.secret raw-value'],
  ["INSERT INTO usr (secret) VALUES ('text')", 'usr.secret raw-value'],
  ['UPDATE usr SET secret = name', 'usr.secret raw-value'],
  ['UPDATE usr SET secret = raw_secret', 'usr.secret raw-value', 'usr.raw_secret raw-value'],
  ['UPDATE usr SET name = secret', 'usr.secret computed'],
  ['INSERT INTO plain (secret) SELECT u.secret FROM usr u', 'u.secret raw-value'],

  // Nothing encrypted.
  ['INSERT INTO plain (secret) SELECT p.secret FROM plain p'],
  ['INSERT INTO plain (secret) SELECT u.name FROM usr u'],
  ['SELECT 1 FROM plain p WHERE p.secret = ? ORDER BY p.secret'],
  ['SELECT 1 FROM plain WHERE secret = ? ORDER BY secret'],
  ['SELECT 1 FROM "plain" "usr" WHERE "usr"."secret" = ? ORDER BY "usr"."secret"'],
  ['UPDATE plain SET secret = secret || ? WHERE secret = ?'],
  ['SELECT 1 FROM "legacy"."member" WHERE "secret" = ?'],
  ['SELECT 1 FROM "legacy"."member" "member" WHERE "member"."secret" = ? ORDER BY "member"."secret"'],
  ['SELECT 1 FROM plain p JOIN usr u ON u.id = p.id WHERE p.secret = ? ORDER BY p.secret'],
  ['SELECT 1 FROM usr u WHERE EXISTS (SELECT 1 FROM plain WHERE secret = ?)'],
  ["SELECT 1 FROM usr u WHERE u.name = 'u.secret = 1'"],
  ['SELECT 1 /* u.secret = ? */ FROM usr u'],
  ['SELECT u.name AS secret FROM usr u ORDER BY secret'],
  ['WITH usr AS (SELECT 1 AS secret) SELECT secret FROM usr WHERE secret = 1'],

  // Common table expressions with the names of tables.
  [
    'WITH usr AS (SELECT * FROM usr WHERE secret = ?) SELECT 1 FROM usr',
    ...both('usr', 'selected'),
    'usr.secret searched',
  ],
  [
    'WITH usr AS (SELECT u.secret FROM usr u) SELECT 1 FROM usr WHERE usr.secret = ?',
    'u.secret selected',
    'usr/u.secret searched',
  ],
  [
    'WITH RECURSIVE c AS (SELECT id, secret FROM usr UNION ALL SELECT c.id, c.secret FROM c WHERE c.secret = ?) SELECT 1 FROM c',
    'usr.secret selected',
    'c/usr.secret selected',
    'c/usr.secret searched',
  ],
  ["WITH usr AS (SELECT id FROM plain) INSERT INTO usr (secret) VALUES ('x')", 'usr.secret raw-value'],
  ["WITH usr AS (SELECT id FROM plain) UPDATE usr SET secret = 'x'", 'usr.secret raw-value'],
  ['WITH usr AS (SELECT id FROM plain) DELETE FROM usr WHERE secret = ?', 'usr.secret searched'],

  ['SELECT 1 FROM plain p WHERE (SELECT u.secret FROM usr u) = p.secret', 'u.secret searched'],
  ['SELECT 1 FROM usr u WHERE (SELECT u.secret) IN (?)', 'u.secret searched'],
  ['SELECT u.secret FROM usr u INTERSECT ALL SELECT p.secret FROM plain p', 'u.secret grouped'],
  ['SELECT 1 FROM ((SELECT u.secret FROM usr u UNION SELECT ?)) d', 'u.secret grouped'],
  [
    'SELECT COUNT(DISTINCT u.secret), COUNT(u.secret) FROM usr u',
    'u.secret counted-distinct',
    'u.secret counted',
  ],
  ["INSERT INTO usr (secret) VALUES ('text'), (?)", 'usr.secret raw-value'],
  ["INSERT INTO usr (secret) VALUES (?), ('text')", 'usr.secret raw-value'],
  ['SELECT 1 FROM usr u WHERE u.secret = ? /* kms-encrypted:end */', 'u.secret searched'],
  // Only a lateral query sees what stands beside it: the inner name is that of the outer query.
  ['SELECT 1 FROM plain p WHERE EXISTS (SELECT 1 FROM usr p, (SELECT p.secret AS s) d WHERE d.s = ?)'],

  // Set operations compare wherever they stand.
  [
    'SELECT 1 FROM plain p WHERE EXISTS (SELECT u.secret FROM usr u INTERSECT SELECT p.secret)',
    'u.secret grouped',
  ],

  // What the application says it means.
  [
    'SELECT /* kms-encrypted:raw */ LENGTH(u.secret) /* kms-encrypted:end */ AS l FROM usr u',
    'u.secret computed raw',
  ],
  [
    'SELECT 1 FROM usr u WHERE /*kms-encrypted:raw*/ u.secret = ? /*kms-encrypted:end*/ AND u.raw_secret = ?',
    'u.secret searched raw',
    'u.raw_secret searched',
  ],
  // Nothing before, behind, or only partly between them.
  [
    'SELECT 1 FROM usr u WHERE u.raw_secret = ? AND /*kms-encrypted:raw*/ u.secret = ? /*kms-encrypted:end*/',
    'u.raw_secret searched',
    'u.secret searched raw',
  ],
  ['SELECT 1 FROM usr u WHERE u.secret = /*kms-encrypted:raw*/ ? /*kms-encrypted:end*/', 'u.secret searched'],
  [
    'SELECT 1 FROM usr u WHERE LOWER(u./*kms-encrypted:raw*/secret) = ? /*kms-encrypted:end*/',
    'u.secret searched',
  ],
  // The rows of a set operation are sorted by its columns; what is qualified is a column of a table.
  ['SELECT u.id, u.name AS secret FROM usr u UNION ALL SELECT p.id, p.name FROM plain p ORDER BY secret'],
  [
    'SELECT u.id, u.secret AS s FROM usr u UNION ALL SELECT p.id, p.name FROM plain p ORDER BY s',
    'u.secret selected',
    'u.secret ordered',
  ],
  [
    'SELECT u.id, u.name AS secret FROM usr u UNION ALL SELECT p.id, p.name FROM plain p ORDER BY p.secret, u.secret',
    '?.secret unplaced',
    'u.secret ordered',
  ],
  [
    "SELECT 1 FROM usr u WHERE '/* kms-encrypted:raw */' = u.secret AND '/* kms-encrypted:end */' = u.name",
    'u.secret searched',
  ],
  ['SELECT 1 FROM usr u WHERE /* kms-encrypted:raw */ u.secret = ?', 'u.secret searched'],
]

describe.each(databases)('What a statement does with encrypted columns, on %s', (database) => {
  const reader = readerOf(database)

  test.each(statements)('%s', (sql, ...places) => {
    const [statement] = reader.read(inDialect(database, sql))
    expect(placesIn(statement)).toEqual(places)
  })
})

const special: Record<string, [sql: string, ...places: string[]][]> = {
  mysql: [
    // No row of the table, as on PostgreSQL: the database knows no such column.
    ['SELECT u FROM usr u'],
    ['SELECT 1 FROM usr u WHERE u.id = 1 # x\r AND u.secret = ?'],
    ["SELECT 1 FROM usr u WHERE u.name = 'a''\\'' AND u.secret = ?", 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE u.id > 0 # active\n AND u.secret = ?', 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE u.id > 0 /*! AND u.secret = ? */', 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE u.id > 0 /*!50000 AND u.secret = ? */', 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE u.id > 0 /*M! AND u.secret = ? */', 'u.secret searched'],
    ["SELECT 1 FROM usr u WHERE u.name = 'it\\'s' AND u.secret = ?", 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE u.id = 1--1 AND u.secret = ?', 'u.secret searched'],
    ['SELECT 1 FROM USR u WHERE U.SECRET = ?', 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE u.secret <=> ?', 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE BINARY u.secret = ?', 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE MATCH (u.secret) AGAINST (? IN BOOLEAN MODE)', 'u.secret searched'],
    ['SELECT GROUP_CONCAT(u.secret ORDER BY u.id SEPARATOR ",") FROM usr u', 'u.secret aggregated'],
    [
      'INSERT INTO `usr`(`id`, `secret`) VALUES (DEFAULT, ?) ON DUPLICATE KEY UPDATE `secret` = VALUES(`secret`)',
      'usr.secret target',
      'usr.secret target',
    ],
    [
      'INSERT INTO usr (secret) VALUES (?) AS new ON DUPLICATE KEY UPDATE secret = new.secret',
      'usr.secret target',
      'usr.secret target',
      'new.secret itself',
    ],
    [
      'INSERT INTO usr (secret) VALUES (?) ON DUPLICATE KEY UPDATE secret = CONCAT(VALUES(secret), 1)',
      'usr.secret target',
      'usr.secret raw-value',
      'usr.secret raw-value',
    ],
    ['INSERT INTO usr SET secret = ?', 'usr.secret target'],
    [
      'INSERT INTO usr (id, secret) VALUES (1, ?) AS n (a, b) ON DUPLICATE KEY UPDATE name = n.b, score = b, id = a',
      'usr.secret target',
      'n.secret computed',
      'n.secret computed',
    ],
    ['INSERT INTO usr (secret) VALUES (DEFAULT(name))', 'usr.secret raw-value'],
    ['INSERT INTO usr (secret) VALUES (DEFAULT)', 'usr.secret target'],
    ['SELECT 1 FROM usr u WHERE 1 = 1 /*! AND u.id > 0 /*! AND u.secret = ? */', 'u.secret searched'],
    // Of aliases that differ in case only, the one that is spelled so.
    ['SELECT u.secret FROM plain U, usr u WHERE u.secret = ?', 'u.secret selected', 'u.secret searched'],
    ['SELECT u.secret FROM usr U, plain u WHERE u.secret = ?'],
    ["SELECT u.secret FROM usr u INTO OUTFILE '/tmp/x'", 'u.secret raw-value'],
    ['SELECT u.secret INTO @x FROM usr u', 'u.secret raw-value'],
    [
      'DELETE FROM u, p USING usr u JOIN plain p ON p.id = u.id WHERE u.secret = ? AND p.secret = ?',
      'u.secret searched',
    ],
    [
      "SELECT u.secret, j.a FROM usr u, JSON_TABLE(u.name, '$[*]' COLUMNS (a INT PATH '$.a' DEFAULT '1' ON EMPTY, b INT PATH '$')) j",
      'u.secret selected',
    ],
    ["SELECT u.secret AS 's' FROM usr u", 'u.secret selected'],
    ["SELECT u.secret 's' FROM usr u", 'u.secret selected'],
    ['SELECT 1 FROM plain p WHERE p.secret > NOW() - INTERVAL 5 DAY AND p.secret = ?'],
    ['SELECT SQL_CALC_FOUND_ROWS u.id FROM usr u FORCE INDEX (PRIMARY) LOCK IN SHARE MODE'],
    ['DELETE u FROM usr u JOIN plain p ON p.id = u.id WHERE u.secret = ?', 'u.secret searched'],
    ['UPDATE usr u JOIN plain p ON p.id = u.id SET u.secret = ? WHERE p.secret = ?', 'u.secret target'],
    ['SELECT 1 FROM `app`.`usr` WHERE secret = ?', 'usr.secret searched'],
    ['SELECT 1 FROM other.usr WHERE secret = ?'],
  ],
  postgres: [
    ['SELECT u FROM usr u', 'u.secret computed'],
    ['SELECT p.u FROM plain p, usr u'],
    ['SELECT p.usr FROM plain p, usr'],
    ['SELECT 1 FROM usr u WHERE u.id = 1 -- x\r AND u.secret = $1', 'u.secret searched'],
    ["SELECT 1 FROM usr u WHERE u.name = E'\\'' OR u.secret = $1 OR u.name = ''", 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE u.id =- 1 AND u.secret =- $1', 'u.secret searched'],
    [
      'INSERT INTO usr (secret) VALUES ($1) ON CONFLICT (id) DO UPDATE SET secret = EXCLUDED.secret WHERE usr.secret IS DISTINCT FROM EXCLUDED.secret || $2',
      'usr.secret target',
      'usr.secret target',
      'excluded.secret itself',
      'usr.secret unchanged-test',
      'excluded.secret searched',
    ],
    ["SELECT 1 FROM usr u WHERE u.name = E'it\\'s' AND u.secret = $1", 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE u.name = $$ -- ; $$ AND u.secret = $1', 'u.secret searched'],
    ["SELECT 1 FROM usr u WHERE u.name = $a$ $$ ' $a$ AND u.secret = $1", 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE u.id > 0 /* a /* b */ c */ AND u.secret = $1', 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE U&"\\0073ecret" = $1', 'u.secret searched'],
    ['SELECT 1 FROM USR "U" WHERE "U".secret = $1', 'U.secret searched'],
    ['SELECT 1 FROM usr u WHERE U.SECRET = $1', 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE "SECRET" = $1'],
    ['SELECT 1 FROM accents a WHERE SÉCRET = $1', 'a.sÉcret searched'],
    ['SELECT 1 FROM "USR" u WHERE u.secret = $1'],
    ['SELECT 1 FROM usr u WHERE u.secret = ANY($1)', 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE u.secret::text ILIKE $1', 'u.secret searched'],
    ['SELECT u.secret::text FROM usr u', 'u.secret computed'],
    ["SELECT encode(u.secret, 'hex') FROM usr u", 'u.secret computed'],
    ['SELECT row_to_json(u) FROM usr u', 'u.secret computed'],
    ['SELECT (u).secret FROM usr u', 'u.secret computed'],
    ['SELECT COUNT(u), COUNT(u.*) FROM usr u'],
    ['SELECT DISTINCT ON (u.secret) u.id FROM usr u', 'u.secret grouped'],
    ['SELECT DISTINCT ON (u.id, u.secret) u.id FROM usr u', 'u.secret grouped-by-key'],
    [
      'SELECT array_agg(u.secret ORDER BY u.id) FILTER (WHERE u.raw_secret = $1) FROM usr u',
      'u.secret aggregated',
      'u.raw_secret searched',
    ],
    [
      "SELECT 1 FROM usr u WHERE u.name = 'a' AND u.score > now() - interval '1 day' ORDER BY u.score DESC NULLS LAST",
    ],
    [
      "SELECT date '2020-01-01', CAST(u.score AS timestamp with time zone), u.score::double precision FROM usr u",
    ],
    [
      'INSERT INTO "usr"("id", "secret") VALUES (DEFAULT, $1) ON CONFLICT ( "id" ) DO UPDATE SET "secret" = EXCLUDED."secret" WHERE ("usr"."secret" IS DISTINCT FROM EXCLUDED."secret") RETURNING "secret"',
      'usr.secret target',
      'usr.secret target',
      'excluded.secret itself',
      'usr.secret unchanged-test',
      'excluded.secret unchanged-test',
      'usr.secret selected',
    ],
    [
      'INSERT INTO "usr" AS "u"("secret") VALUES ($1) ON CONFLICT ("secret") DO NOTHING',
      'u.secret target',
      'u.secret searched',
    ],
    ['UPDATE usr SET secret = p.secret FROM pair p', 'usr.secret raw-value', 'p.secret raw-value'],
    ['UPDATE usr SET (secret, name) = ($1, $2)', 'usr.secret target'],
    ['UPDATE usr SET (secret, name) = (SELECT a, b FROM plain)', 'usr.secret raw-value'],
    [
      'WITH n AS (UPDATE usr SET secret = $1 RETURNING secret) SELECT secret FROM n WHERE secret = $2',
      'usr.secret target',
      'usr.secret selected',
      'n/usr.secret selected',
      'n/usr.secret searched',
    ],
    [
      'SELECT 1 FROM plain p, LATERAL (SELECT u.secret AS s FROM usr u) d WHERE d.s = $1',
      'u.secret selected',
      'd/u.secret searched',
    ],
    ['SELECT u.id FROM usr u FOR UPDATE OF "u" SKIP LOCKED'],
    ['SELECT u.secret INTO copy FROM usr u', 'u.secret raw-value'],
    ['SELECT 1 FROM usr u WHERE u = ROW($1, $2)', 'u.secret computed'],
    ['SELECT 1 FROM usr u WHERE u.*::text LIKE $1', ...both('u', 'searched')],
    ['SELECT u FROM usr u', 'u.secret computed'],
    ['SELECT json_agg(u.*) FROM usr u', ...both('u', 'aggregated')],
    ['SELECT COUNT(DISTINCT u) FROM usr u', 'u.secret computed'],
    ['SELECT secret(u) FROM usr u', 'u.secret computed'],
    ['SELECT row_to_json(p) FROM plain p, usr u'],
    [
      "SELECT u.secret FROM usr u, LATERAL unnest(string_to_array(u.name, ',')) AS x WHERE x = $1",
      'u.secret selected',
    ],
    ['SELECT 1 FROM usr u, LATERAL unnest(string_to_array(u.secret, $1)) AS x', 'u.secret computed'],
    ['SELECT 1 FROM (usr u JOIN plain p ON p.id = u.id) j WHERE j.secret = $1', '?.secret unplaced'],
    [
      "SELECT 1 FROM usr u WHERE timestamp with time zone '2020-01-01' < now() AND u.secret = $1",
      'u.secret searched',
    ],
    ["SELECT 1 FROM plain p WHERE json '{}' IS NOT NULL"],
    ['SELECT 1 FROM "other"."usr" u WHERE u.secret = $1'],
  ],
  sqlite: [
    ['SELECT 1 FROM usr u WHERE u.id = 1 AND [x] = 1 OR u.[secret]=[name]', 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE u.[secret] = ?', 'u.secret searched'],
    ['SELECT 1 FROM usr u WHERE `u`.`SECRET` = ?', 'u.secret searched'],
    ["SELECT 1 FROM 'usr' u WHERE u.'secret' = ?", 'u.secret searched'],
    ['SELECT 1 FROM "USR" "U" WHERE u.secret = :name', 'U.secret searched'],
    ['SELECT 1 FROM usr u WHERE u.secret IS ?', 'u.secret searched'],
    [
      'SELECT 1 FROM usr u WHERE u.secret GLOB ? AND u.secret NOTNULL',
      'u.secret searched',
      'u.secret null-test',
    ],
    ['SELECT u.secret AS s FROM usr u WHERE s = ?', 'u.secret selected', 'u.secret searched'],
    ['INSERT OR IGNORE INTO "usr"("secret") VALUES (?)', 'usr.secret target'],
    ['SELECT 1 FROM usr u WHERE u.secret = ? /* left open', 'u.secret searched'],
    ['SELECT 1 FROM main.usr WHERE secret = ?', 'usr.secret searched'],
    [
      'WITH c AS (SELECT id, secret FROM usr UNION ALL SELECT c.id, c.secret FROM c WHERE c.secret = ?) SELECT 1 FROM c',
      'usr.secret selected',
      'c/usr.secret selected',
      'c/usr.secret searched',
    ],
    [
      'REPLACE INTO usr (secret) VALUES (?) RETURNING secret AS s',
      'usr.secret target',
      'usr.secret selected',
    ],
  ],
}

describe.each(databases)('What only %s has', (database) => {
  const reader = readerOf(database)

  test.each(special[database] ?? [])('%s', (sql, ...places) => {
    const [statement] = reader.read(sql)
    expect(placesIn(statement)).toEqual(places)
  })
})

describe('Of tables whose names differ in case only', () => {
  const reader = new Reader(languages.mysql, {
    defaults: [],
    tables: [table('usr', 'id*', 'secret'), table('Usr', 'id*', 'secret!'), table('other', 'id*')],
  })

  test.each([
    ['SELECT 1 FROM Usr WHERE secret = ?', 'Usr.secret searched'],
    ['SELECT 1 FROM usr WHERE secret = ?'],
    ['SELECT 1 FROM usr, Usr AS x WHERE x.secret = ?', 'x.secret searched'],
    ['SELECT 1 FROM Usr, usr AS x WHERE x.secret = ?'],
  ])('%s names the one that is spelled so', (sql, ...places) => {
    expect(placesIn(reader.read(sql)[0])).toEqual(places)
  })
})
