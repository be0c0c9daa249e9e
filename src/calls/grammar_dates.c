/* The automaton of calculations with dates, in the one form that is worth learning:
 *
 *     date                          March 5, 2023   Labor Day 2023
 *     date + N units                January 30, 2023 + 10 days         also -
 *     date - date [in units]        Labor Day 2023 - January 30, 2023 in weeks
 *
 * A subset of what DateCalc reads: years have four digits, days none in front, N at most four. */
#include <string.h>

#include "base/dates.h"
#include "calls/grammar_forms.h"

/* What a date may begin with, each with the blank behind it; in the order of their bytes, so that a prefix is
 * told by its first word and its length. */
static const char *const words[] = {
    "April ",
    "August ",
    "Birthday of Martin Luther King, Jr. ",
    "Christmas ",
    "Christmas Day ",
    "Columbus Day ",
    "December ",
    "February ",
    "Fourth of July ",
    "Independence Day ",
    "Indigenous Peoples' Day ",
    "January ",
    "July ",
    "June ",
    "Juneteenth ",
    "Juneteenth National Independence Day ",
    "Labor Day ",
    "MLK Day ",
    "March ",
    "Martin Luther King Day ",
    "Martin Luther King Jr. Day ",
    "May ",
    "Memorial Day ",
    "New Year's ",
    "New Year's Day ",
    "November ",
    "October ",
    "Presidents' Day ",
    "September ",
    "Thanksgiving ",
    "Thanksgiving Day ",
    "Veterans Day ",
    "Washington's Birthday ",
};
enum { N_WORDS = sizeof words / sizeof *words, WORD_BYTES = 40 };

/* What stands before the next byte. Those of a date come twice: in the first operand and in the second. */
typedef enum date_phase {
    AT_DAY_LOW, /* 1 or 2: another digit may follow */
    AT_DAY_3,   /* 3: 0 or 1 may follow */
    AT_DAY,     /* a whole day */
    AT_COMMA,   /* its comma */
    AT_YEAR,    /* the blank before the year */
    AT_YEAR_1,  /* its digits */
    AT_YEAR_2,
    AT_YEAR_3,
    AT_YEAR_4,
    AT_AFTER, /* a date and a blank: a sign, or `in` behind a difference */
    AT_PLUS,  /* first operand only, from here on */
    AT_MINUS,
    AT_PLUS_BLANK,
    AT_MINUS_BLANK,
    AT_AMOUNT_1, /* digits of N */
    AT_AMOUNT_2,
    AT_AMOUNT_3,
    AT_AMOUNT_4,
    AT_IN_1, /* i */
    AT_IN_2, /* in */
    N_DATE_PHASES
} date_phase;

enum {
    WORD_STATES = N_WORDS * WORD_BYTES,
    FIRST_PHASE = TFC_N_CLOSED + 2 * WORD_STATES,
    FIRST_UNIT = FIRST_PHASE + 2 * N_DATE_PHASES,
    UNIT_BYTES = 8, /* "months" and a free place */
    N_STATES = FIRST_UNIT + 2 * (1 + TFC_N_DATE_UNITS * UNIT_BYTES)
};
_Static_assert((int)N_STATES <= (int)TFC_DATES_STATES_MAX, "TFC_DATES_STATES_MAX bounds the automaton");

static uint32_t word_state(uint32_t operand, uint32_t word, uint32_t length)
{
    return TFC_N_CLOSED + operand * WORD_STATES + word * WORD_BYTES + length;
}

static uint32_t phase_state(uint32_t operand, date_phase phase)
{
    return FIRST_PHASE + operand * N_DATE_PHASES + (uint32_t)phase;
}

/* `in`: only the plural. Length 0 is one state for all units. */
static uint32_t unit_state(uint32_t in, uint32_t unit, uint32_t length)
{
    uint32_t place = length == 0 ? 0 : 1 + unit * UNIT_BYTES + length;
    return FIRST_UNIT + in * (1 + TFC_N_DATE_UNITS * UNIT_BYTES) + place;
}

static bool is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

static uint32_t word_step(uint32_t operand, uint32_t word, uint32_t length, unsigned char byte)
{
    const char *prefix = words[word];
    for (uint32_t w = word; w < N_WORDS && strncmp(words[w], prefix, length) == 0; w++)
        if (byte != 0 && (unsigned char)words[w][length] == byte) return word_state(operand, w, length + 1);
    if (prefix[length] != '\0' || byte < '1' || byte > '9') return TFC_GRAMMAR_DEAD;
    for (int month = 0; month < 12; month++) {
        if (strncmp(prefix, tfc_month_names[month], length - 1) != 0 || tfc_month_names[month][length - 1])
            continue;
        return phase_state(operand, byte <= '2' ? AT_DAY_LOW : byte == '3' ? AT_DAY_3 : AT_DAY);
    }
    return phase_state(operand, AT_YEAR_1);
}

static uint32_t unit_step(uint32_t in, uint32_t place, unsigned char byte)
{
    if (place == 0) {
        for (uint32_t unit = 0; unit < TFC_N_DATE_UNITS; unit++)
            if (byte == (unsigned char)tfc_date_units[unit][0]) return unit_state(in, unit, 1);
        return TFC_GRAMMAR_DEAD;
    }
    uint32_t unit = (place - 1) / UNIT_BYTES, length = (place - 1) % UNIT_BYTES;
    if (unit >= TFC_N_DATE_UNITS) return TFC_GRAMMAR_DEAD;
    uint32_t whole = (uint32_t)strlen(tfc_date_units[unit]);
    if (byte == ')') return length == whole + 1 || (length == whole && !in) ? TFC_CLOSED : TFC_GRAMMAR_DEAD;
    bool next =
        length < whole ? byte == (unsigned char)tfc_date_units[unit][length] : length == whole && byte == 's';
    return next ? unit_state(in, unit, length + 1) : TFC_GRAMMAR_DEAD;
}

/* Behind a date: the end, an operation on the first one, a unit behind the second one. */
static uint32_t after_step(uint32_t operand, date_phase phase, unsigned char byte)
{
    if (phase == AT_YEAR_4)
        return byte == ')' ? TFC_CLOSED : byte == ' ' ? phase_state(operand, AT_AFTER) : TFC_GRAMMAR_DEAD;
    if (operand == 1) return byte == 'i' ? phase_state(1, AT_IN_1) : TFC_GRAMMAR_DEAD;
    return byte == '+' ? phase_state(0, AT_PLUS) : byte == '-' ? phase_state(0, AT_MINUS) : TFC_GRAMMAR_DEAD;
}

static uint32_t phase_step(uint32_t operand, date_phase phase, unsigned char byte)
{
    switch (phase) {
    case AT_DAY_LOW:
        if (is_digit(byte)) return phase_state(operand, AT_DAY);
        return byte == ',' ? phase_state(operand, AT_COMMA) : TFC_GRAMMAR_DEAD;
    case AT_DAY_3:
        if (byte == '0' || byte == '1') return phase_state(operand, AT_DAY);
        return byte == ',' ? phase_state(operand, AT_COMMA) : TFC_GRAMMAR_DEAD;
    case AT_DAY:
        return byte == ',' ? phase_state(operand, AT_COMMA) : TFC_GRAMMAR_DEAD;
    case AT_COMMA:
        return byte == ' ' ? phase_state(operand, AT_YEAR) : TFC_GRAMMAR_DEAD;
    case AT_YEAR:
        return is_digit(byte) && byte != '0' ? phase_state(operand, AT_YEAR_1) : TFC_GRAMMAR_DEAD;
    case AT_YEAR_1:
    case AT_YEAR_2:
    case AT_YEAR_3:
        return is_digit(byte) ? phase_state(operand, phase + 1) : TFC_GRAMMAR_DEAD;
    case AT_YEAR_4:
    case AT_AFTER:
        return after_step(operand, phase, byte);
    case AT_PLUS:
    case AT_MINUS:
        return byte == ' ' ? phase_state(0, phase + (AT_PLUS_BLANK - AT_PLUS)) : TFC_GRAMMAR_DEAD;
    case AT_MINUS_BLANK:
        if (!is_digit(byte)) return word_step(1, 0, 0, byte);
        /* fall through */
    case AT_PLUS_BLANK:
        return is_digit(byte) && byte != '0' ? phase_state(0, AT_AMOUNT_1) : TFC_GRAMMAR_DEAD;
    case AT_AMOUNT_1:
    case AT_AMOUNT_2:
    case AT_AMOUNT_3:
    case AT_AMOUNT_4:
        if (byte == ' ') return unit_state(0, 0, 0);
        return is_digit(byte) && phase != AT_AMOUNT_4 ? phase_state(0, phase + 1) : TFC_GRAMMAR_DEAD;
    case AT_IN_1:
        return byte == 'n' ? phase_state(1, AT_IN_2) : TFC_GRAMMAR_DEAD;
    case AT_IN_2:
        return byte == ' ' ? unit_state(1, 0, 0) : TFC_GRAMMAR_DEAD;
    default:
        return TFC_GRAMMAR_DEAD;
    }
}

uint32_t tfc_grammar_dates_step(uint32_t state, unsigned char byte)
{
    if (state < FIRST_PHASE) {
        uint32_t at = state - TFC_N_CLOSED, operand = at / WORD_STATES;
        uint32_t word = at % WORD_STATES / WORD_BYTES, length = at % WORD_BYTES;
        return length <= strlen(words[word]) ? word_step(operand, word, length, byte) : TFC_GRAMMAR_DEAD;
    }
    if (state < FIRST_UNIT)
        return phase_step((state - FIRST_PHASE) / N_DATE_PHASES,
                          (date_phase)((state - FIRST_PHASE) % N_DATE_PHASES), byte);
    uint32_t units = 1 + TFC_N_DATE_UNITS * UNIT_BYTES, place = state - FIRST_UNIT;
    return state < N_STATES ? unit_step(place / units, place % units, byte) : TFC_GRAMMAR_DEAD;
}
