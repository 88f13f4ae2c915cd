import { assigningTrigger, integer } from '../../../src/dialects/row-column'

describe('An integer of so many bits', () => {
  it.each([
    [8, false, -128n, 127n],
    [8, true, 0n, 255n],
    [32, false, -2147483648n, 2147483647n],
    [64, true, 0n, 18446744073709551615n],
    [64, false, -9223372036854775808n, 9223372036854775807n],
  ])('(%d, unsigned: %s) is from %d to %d', (bits, isUnsigned, min, max) => {
    expect(integer(bits, isUnsigned)).toMatchObject({ kind: 'integer', min, max })
  })

  it('has a sign unless it is said to have none', () => {
    expect(integer(16)).toMatchObject({ min: -32768n, max: 32767n })
  })
})

describe('A trigger', () => {
  it.each([
    'NEW.secret := upper(NEW.secret);',
    'SET NEW.secret = 1',
    'SET NEW.`secret` = 1',
    'NEW."secret" := 1',
    'new . SECRET=1',
    'NEW.[secret] = 1',
    'SELECT max(a) + 1 INTO NEW.secret FROM b',
    'SELECT a, b INTO STRICT NEW.other, NEW."secret" FROM c',
    'SELECT a INTO NEW.secret',
    'BEGIN IF NEW.other = 1 THEN NEW.secret = 2; END IF; END',
    'CASE WHEN NEW.other THEN NEW.secret := 1; END CASE',
    '/* first */ NEW.secret := 1; /* last */',
    '-- a line\nNEW.secret := 1',
    'x := ifnull(a, b); NEW.secret := 1; IF a THEN b; END IF',
    'gif := 1; NEW.secret := 1; IF a THEN b; END IF',
    'IF a THEN b; END IF; NEW.secret := 1; IF c THEN d; END IF',
    'BEGIN IF a THEN b; END IF; NEW.secret := 1; RETURN NEW; END',
    'BEGIN SET NEW.other = IF(a, b, c); SET NEW.secret = 1; END',
    'SET NEW.other = IF(a, f(b), c), NEW.secret = 1',
    "BEGIN x := '('; NEW.secret := 1; y := ')'; END",
  ])('assigns a column: %s', (text) => {
    expect(assigningTrigger([{ name: 'touch', text }], 'secret')).toBe('touch')
  })

  it.each([
    'IF NEW.secret = 1 THEN SIGNAL; END IF',
    'IF NEW.other = 2\nAND NEW.secret = 1\nTHEN SIGNAL; END IF',
    'IF a THEN b; ELSIF NEW.secret = 1 THEN c; END IF',
    'IF a THEN b; ELSEIF NEW.secret = 1 THEN c; END IF',
    'x := CASE NEW.secret = 1 WHEN true THEN 1 END',
    'CASE a WHEN NEW.secret = 1 THEN b; END CASE',
    'IF weekend AND NEW.secret = 1 THEN b; END IF',
    'IF endless AND NEW.secret = 1 THEN b; END IF',
    '-- NEW.secret := 1',
    '/* NEW.secret := 1 */',
    '/* two\nlines: NEW.secret := 1 */',
    '/* one */ x := 1 /* NEW.secret := 1 */',
    'BEGIN SET NEW.other = IF(NEW.secret = 1, b, c); IF a THEN b; END IF; END',
    'SET NEW.other = IF(f(a) AND NEW.secret = 1, f(b), c)',
    'x := NEW.secret == 1',
    'RENEW.secret := 1',
    'NEW.secrets := 1',
    'NEW.secret$ := 1',
    'SELECT a INTO NEW.secrets FROM b',
    'INSERT INTO log (a) VALUES (NEW.secret)',
    'INSERT INTO log SELECT NEW.secret',
    'SELECT NEW.secret INTO b',
    'NEW.othersecret := 1',
    'x := NEW.secret',
  ])('leaves a column alone: %s', (text) => {
    expect(assigningTrigger([{ name: 'touch', text }], 'secret')).toBeUndefined()
  })

  it('is told by its name, and looked for among others', () => {
    const triggers = [
      { name: 'other', text: 'NEW.other := 1' },
      { name: 'touch', text: 'NEW.secret := 1' },
    ]
    expect(assigningTrigger(triggers, 'secret')).toBe('touch')
    expect(assigningTrigger([], 'secret')).toBeUndefined()
  })

  it('assigns the column of this very name', () => {
    expect(assigningTrigger([{ name: 'touch', text: 'NEW.axb := 1' }], 'a.b')).toBeUndefined()
    expect(assigningTrigger([{ name: 'touch', text: 'NEW."a.b" := 1' }], 'a.b')).toBe('touch')
  })
})
