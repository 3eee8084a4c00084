import { expect, test } from 'vitest'
import { withoutSecrets } from './secrets.ts'

test('keys and tokens of the environment are named, not shown', () => {
  const env = {
    OPENAI_API_KEY: ' sk-1234567890\n',
    OPENAI_API_KEY_OLD: 'not-a-secret',
    HF_TOKEN: 'hf_abcdefgh',
    AWS_SECRET_ACCESS_KEY: 'hf_abcdefgh-and-more',
    SHORT_KEY: 'the',
    PATH: '/usr/bin',
  }
  const said =
    'wrong key sk-1234567890; hf_abcdefgh-and-more, hf_abcdefgh; not-a-secret, the /usr/bin'
  expect(withoutSecrets(said, env)).toBe(
    'wrong key [OPENAI_API_KEY]; [AWS_SECRET_ACCESS_KEY], [HF_TOKEN]; not-a-secret, the /usr/bin',
  )
})

test('addresses lose their passwords and nothing else', () => {
  expect(withoutSecrets('postgres://ada:p@ss:w0rd@db:5432/x and http://127.0.0.1:80/a@b', {})).toBe(
    'postgres://ada:[password]@db:5432/x and http://127.0.0.1:80/a@b',
  )
})
