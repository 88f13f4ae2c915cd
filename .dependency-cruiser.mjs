// The arrows between the folders of src. docs/architecture.md explains them; docs/decisions has why this tool.

/** From top to bottom: a layer may import those below it, never one above. Files of src itself are the facade, on top. */
const LAYERS = ['cli', 'migration', 'orm', 'dialects', 'column', 'cipher', 'kms', 'errors']

const folder = (names) => `^src/(${names.join('|')})[/.]`
const upwards = LAYERS.slice(1).map((layer, above) => ({
  name: `${layer}-knows-no-layer-above`,
  comment: `src/${layer} may import what stands below it: ${LAYERS.slice(above + 2).join(', ') || 'nothing'}.`,
  severity: 'error',
  from: { path: folder([layer]) },
  to: { path: `${folder(LAYERS.slice(0, above + 1))}|^src/(index|kms-encryption|data-sources)[.]ts$` },
}))

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circles',
      comment: 'Two files that need each other are one file, or a third one is missing. Types count too.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    ...upwards,
    {
      name: 'no-orm-below-the-orm',
      comment: 'Ciphertexts and keys are the same whatever reads the database.',
      severity: 'error',
      from: { path: folder(['cipher', 'kms', 'errors', 'local-kms']) },
      to: { path: 'node_modules/typeorm' },
    },
    {
      name: 'aws-in-its-folder',
      comment: 'Another key service must be a new folder beside kms/aws, and a change nowhere else.',
      severity: 'error',
      from: { pathNot: '^src/(kms/aws|cli|local-kms)/|^src/kms-encryption[.]ts$' },
      to: { path: 'node_modules/@(aws-sdk|smithy|aws-crypto)/' },
    },
    {
      name: 'the-embedded-kms-stands-alone',
      comment:
        'It plays the part of AWS: nothing of the library may shape its answers, and only the tool starts it.',
      severity: 'error',
      from: { path: '^src/local-kms/' },
      to: { path: '^src/', pathNot: '^src/local-kms/' },
    },
    {
      name: 'the-report-stands-alone',
      comment:
        'The page is made of numbers, names and settings: what knows no column can show no value of one.',
      severity: 'error',
      from: { path: '^src/report/' },
      to: { path: '^src/|node_modules/', pathNot: '^src/report/' },
    },
    {
      name: 'no-embedded-kms-in-the-library',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(local-kms|cli)/' },
      to: { path: '^src/local-kms/' },
    },
    {
      name: 'nestjs-on-top',
      comment: 'Applications without NestJS must not load it.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/nestjs/' },
      to: { path: '^src/nestjs/|node_modules/@nestjs/' },
    },
    {
      name: 'formats-of-others-apart',
      comment: 'Applications that read only their own ciphertexts must not load them, nor they the library.',
      severity: 'error',
      from: { path: '^src/formats/' },
      to: { path: '^src/', pathNot: '^src/(formats|errors|column/foreign-format)' },
    },
    {
      name: 'the-lint-rules-stand-alone',
      comment: 'ESLint loads them into an editor: they bring nothing of the library along.',
      severity: 'error',
      from: { path: '^src/eslint/' },
      to: { path: '^src/', pathNot: '^src/eslint/' },
    },
    {
      name: 'only-declared-packages',
      comment: 'What is installed for development is not there for whoever installs the package.',
      severity: 'error',
      from: {},
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'],
        dependencyTypesNot: ['npm-peer', 'type-only'],
      },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
  },
}
