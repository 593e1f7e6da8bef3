import js from '@eslint/js';
import globals from 'globals';

export default [
  { ...js.configs.recommended, files: ['clr_search/app/static/*.js'] },
  {
    files: ['clr_search/app/static/*.js'],
    languageOptions: { globals: globals.browser, sourceType: 'module' },
    rules: {
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-restricted-properties': [
        'error',
        { property: 'innerHTML', message: 'Texts from outside would become elements.' },
        { property: 'outerHTML', message: 'Texts from outside would become elements.' },
        { property: 'insertAdjacentHTML', message: 'Texts from outside would become elements.' },
      ],
    },
  },
];
