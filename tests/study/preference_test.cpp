// SPDX-License-Identifier: MIT
#include <mtlx/study/preference.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "data/temporary.hpp"
#include "preference_oracle.inc"

using namespace mtlx;
using study::Choice;
using study::Judgement;

namespace {

using Contains = doctest::Contains;

doctest::String shown(const std::string& text) { return text.c_str(); }

doctest::Approx about(double number) { return doctest::Approx(number).epsilon(1e-11).scale(1); }

Judgement answer(const std::string& judge, const std::string& photo, const std::string& left, const std::string& right,
                 Choice choice) {
  return {photo, photo, judge, left, right, choice};
}

}  // namespace

TEST_CASE("binomial tests and intervals are SciPy's") {
  for (const auto& row : binomials) {
    const auto wins = static_cast<std::size_t>(row[0]), trials = static_cast<std::size_t>(row[1]);
    CAPTURE(wins);
    const study::Interval interval = study::clopper_pearson(wins, trials, row[2]);
    CHECK(study::binomial_test(wins, trials).p == about(row[3]).scale(row[3]));
    CHECK(interval.lower == about(row[4]));
    CHECK(interval.upper == about(row[5]));
    CHECK(interval.estimate == row[0] / row[1]);
  }
  CHECK(study::binomial_test(3, 4).smallest_p == 0.125);
  CHECK(study::binomial_test(0, 0).p == 1);
  CHECK_FALSE(study::clopper_pearson(0, 0).known());
  CHECK(error_of([] { study::clopper_pearson(3, 2); }) == Contains("3 successes in 2 trials"));
  CHECK(error_of([] { study::clopper_pearson(1, 2, 1.5); }) == Contains("level"));
  CHECK(error_of([] { study::binomial_test(3, 2); }) == Contains("3 successes in 2 trials"));
}

TEST_CASE("many answers of few judges, or on few photos, are no proof") {
  // Three judges, forty answers each; two of them always say the first, one the second.
  std::vector<Judgement> judgements;
  for (int i = 0; i < 120; ++i) {
    const bool first_left = i % 2 == 0, for_first = i % 3 != 0;
    judgements.push_back(answer(join("judge ", i % 3), join("photo ", i % 40), first_left ? "a" : "b",
                                first_left ? "b" : "a", for_first == first_left ? Choice::left : Choice::right));
  }
  study::Preference found = study::preference(judgements, "a", "b");
  CHECK(found.wins == 80);
  CHECK(found.losses == 40);
  CHECK(found.pooled.p < 0.001);
  CHECK(found.judges.first == 2);
  CHECK(found.judges.second == 1);
  CHECK(found.judges.test.p == 1);
  CHECK(found.photos.first == 40);
  CHECK(found.photos.test.p < 1e-9);
  CHECK(found.p() == 1);
  CHECK(found.verdict() == 0);
  CHECK(shown(study::words(found)) == Contains("cannot be told"));
  CHECK(shown(study::words(found)) == Contains("2 of 3 judges prefer it, 1 the other"));
  CHECK(shown(study::words(found)) == Contains("can't go below p = 0.25"));

  // The other way round, and with ties: nine judges of one mind, on six photos.
  judgements.clear();
  for (int i = 0; i < 54; ++i)
    judgements.push_back(
        answer(join("judge ", i % 9), join("photo ", i / 9), "a", "b", i % 9 == i / 9 ? Choice::tie : Choice::right));
  found = study::preference(judgements, "b", "a");
  CHECK(found.wins == 48);
  CHECK(found.ties == 6);
  CHECK(found.judges.first == 9);
  CHECK(found.judges.test.p == doctest::Approx(2.0 / 512));
  CHECK(found.p() == doctest::Approx(2.0 / 64));
  CHECK(found.verdict() == 1);
  CHECK(study::words(found) ==
        "\"b\" was preferred over \"a\" in 48 of 48 answers (100 %; 95 % interval, were all answers independent, 93 to "
        "100 %), with 6 ties beside. 9 of 9 judges prefer it, 0 the other (p = 0.00390625). 6 of 6 photos prefer it, 0 "
        "the other (p = 0.03125). So \"b\" is preferred.");
  CHECK(study::preference(judgements, "a", "b").verdict() == -1);

  // Judges and photos that disagree: six photos with one answer for a, one with all for b.
  judgements.clear();
  for (int photo = 0; photo < 7; ++photo)
    for (int judge = 0; judge < (photo == 6 ? 20 : 1); ++judge)
      judgements.push_back(
          answer(join("judge ", judge), join("photo ", photo), "a", "b", photo == 6 ? Choice::right : Choice::left));
  found = study::preference(judgements, "a", "b");
  CHECK(found.wins < found.losses);
  CHECK(found.photos.first == 6);
  CHECK(found.verdict() == 0);

  // As many answers for each: whoever stands first, eight judges of nine and eight photos are no verdict then.
  judgements.clear();
  for (int i = 0; i < 16; ++i)
    judgements.push_back(answer(join("judge ", i < 8 ? i : 8), join("photo ", i < 8 ? i : 8), "a", "b",
                                i < 8 ? Choice::left : Choice::right));
  for (const char* const first : {"a", "b"}) {
    found = study::preference(judgements, first, first == std::string("a") ? "b" : "a");
    CHECK(found.judges.test.p < 0.04);
    CHECK(found.p() == 1);
    CHECK(found.verdict() == 0);
  }

  found = study::preference({answer("j", "p", "a", "b", Choice::tie)}, "a", "b");
  CHECK(found.p() == 1);
  CHECK(shown(study::words(found)) == Contains("There is one judge: nothing is known of other judges."));
  CHECK(error_of([&] { study::preference(judgements, "a", "c"); }) == Contains("no answer on \"a\" and \"c\""));
}

TEST_CASE("strengths are those of a general solver, and of clusters") {
  std::vector<Judgement> judgements;
  const std::string names[] = {"a", "b", "c", "d"};
  for (const auto& row : answers)
    judgements.push_back(answer(join("judge ", row[0]), "", names[static_cast<int>(row[1])],
                                names[static_cast<int>(row[2])],
                                row[3] > 0.5   ? Choice::left
                                : row[3] < 0.5 ? Choice::right
                                               : Choice::tie));
  const study::BradleyTerry plain = study::bradley_terry(judgements, {.clusters = study::Clustered::answers});
  const study::BradleyTerry clustered = study::bradley_terry(judgements);
  REQUIRE(plain.finite());
  CHECK(plain.methods == std::vector<std::string>{"a", "b", "c", "d"});
  CHECK(plain.ties == 6);
  CHECK(plain.clusters == 67);
  CHECK(clustered.clusters == 5);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(plain.strengths[i].estimate == about(strengths[i]));
    CHECK(clustered.strengths[i].estimate == about(strengths[i]));
    const double reach = 1.959963984540054 * std::sqrt(covariance[5 * i]);  // of the normal distribution
    CHECK(plain.strengths[i].upper == about(strengths[i] + reach));
    const double wider = 2.7764451051977987 * std::sqrt(covariance_of_judges[5 * i]);  // t with 4 degrees of freedom
    CHECK(clustered.strengths[i].lower == about(strengths[i] - wider));
  }
  for (std::size_t i = 0; i < 16; ++i) {
    CHECK(plain.covariance[i] == about(covariance[i]));
    CHECK(clustered.covariance[i] == about(covariance_of_judges[i]));
  }
  const study::Interval share = plain.preferred(0, 3);
  const double d = strengths[0] - strengths[3], v = covariance[0] + covariance[15] - 2 * covariance[3];
  CHECK(share.estimate == about(1 / (1 + std::exp(-d))));
  CHECK(share.lower == about(1 / (1 + std::exp(1.959963984540054 * std::sqrt(v) - d))));
  CHECK(plain.preferred(3, 0).upper == about(1 - share.lower));
  CHECK(shown(study::words(plain)) == Contains("95 % intervals, a tie as half a win: \"a\" +"));
  CHECK(shown(study::words(clustered)) ==
        Contains("95 % intervals over 5 judges (too narrow, with fewer than ten), a tie"));
  CHECK(error_of([&] { plain.preferred(1, 1); }) == Contains("expected two"));

  // One judge alone, one cluster: strengths, and no interval.
  for (Judgement& j : judgements) j.judge = "one";
  const study::BradleyTerry alone = study::bradley_terry(judgements);
  CHECK(alone.strengths[2].estimate == about(strengths[2]));
  CHECK_FALSE(alone.strengths[2].known());
  CHECK_FALSE(alone.preferred(0, 1).known());
  CHECK(shown(study::words(alone)) == Contains("one judge alone"));

  // Judges of one mind don't differ, and an interval of no width would say that strengths are known exactly.
  judgements.clear();
  for (int i = 0; i < 18; ++i)
    judgements.push_back(answer(join("judge ", i / 6), "", "a", "b", i % 6 < 4 ? Choice::left : Choice::right));
  const study::BradleyTerry alike = study::bradley_terry(judgements);
  CHECK(alike.strengths[0].estimate == about(std::log(2) / 2));
  CHECK_FALSE(alike.strengths[0].known());
  CHECK_FALSE(alike.preferred(0, 1).known());
  CHECK(shown(study::words(alike)) == Contains("all 3 judges answered alike"));
}

TEST_CASE("strengths that have no finite estimate are said to have none") {
  const auto won = [](const std::string& winner, const std::string& loser) {
    return answer("j", "p", winner, loser, Choice::left);
  };
  std::vector<Judgement> judgements = {won("b", "c"), won("c", "b"), won("a", "b"), won("a", "c"), won("a", "c")};
  study::BradleyTerry found = study::bradley_terry(judgements, {.clusters = study::Clustered::answers});
  CHECK_FALSE(found.finite());
  CHECK(is_nan(found.strengths[0].estimate));
  CHECK(found.wins == std::vector<double>{3, 1, 1});
  CHECK(shown(found.note) == Contains("\"a\" won all its comparisons with the others"));
  CHECK(shown(study::words(found)) == Contains("No strengths: \"a\" won all"));
  CHECK(error_of([&] { found.preferred(0, 1); }) == Contains("won all its"));
  // One that always loses, too: the others always win.
  judgements = {won("a", "b"), won("b", "a"), won("a", "c"), won("b", "c")};
  CHECK(shown(study::bradley_terry(judgements).note) == Contains("\"a\" and \"b\" won all their comparisons"));
  // A tie is enough. By hand: a and b of equal strength x, c with -2x; c has half a win of three answers.
  judgements.push_back(answer("j", "p", "c", "a", Choice::tie));
  judgements.push_back(answer("j", "p", "c", "b", Choice::tie));
  found = study::bradley_terry(judgements, {.clusters = study::Clustered::answers});
  CHECK(found.strengths[0].estimate - found.strengths[2].estimate == about(std::log(3)));
  // Two that never met.
  judgements = {won("a", "b"), won("b", "a"), won("c", "d"), won("d", "c")};
  CHECK(shown(study::bradley_terry(judgements).note) == Contains("\"a\" and \"c\" were never compared"));
  CHECK(error_of([] { study::bradley_terry({}); }) == Contains("0 methods in 0 answers"));
  CHECK(error_of([&] { study::bradley_terry({won("a", "a"), won("a", "b")}); }) == Contains("on both sides"));
}

TEST_CASE("answers are read from CSV, and every mistake names its row") {
  const std::vector<Judgement> found = study::parse_judgements(
      "judge,pair,left,right,chosen,seconds\n"
      "Ann,\"lake, 1\",joint,tgsr,right,2.5\nBob,sea,tgsr,joint,tie,\n",
      "a.csv");
  REQUIRE(found.size() == 2);
  CHECK(found[0].pair == "lake, 1");
  CHECK(found[0].photo == "lake, 1");
  CHECK(found[0].choice == Choice::right);
  CHECK(found[0].seconds == 2.5);
  CHECK(found[1].choice == Choice::tie);
  CHECK(is_nan(found[1].seconds));
  const std::string head = "pair,judge,left,right,chosen,photo\n", good = "p,j,a,b,left,f\n";
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::string>>{
           {"", "a.csv is empty"},
           {"pair,judge,left,right\n", "row 1: no column \"chosen\""},
           {"pair,pair,left,right,chosen,judge\n", "row 1: two columns \"pair\""},
           {"pair,mood,left,right,chosen,judge\n", "row 1: an unknown column \"mood\""},
           {head + good + "p,j,a\n", "row 3: 3 cells, expected 6"},
           {head + "p,,a,b,left,f\n", "row 2, column \"judge\": empty"},
           {head + "p,j,a,b,LEFT,f\n", "column \"chosen\": expected left, right or tie, and is \"LEFT\""},
           {head + "p,j,a,a,left,f\n", "the same method as on the left"},
           {head + good + "q,j,a,b,tie,f\np,j,b,a,right,f\n", "row 4: the same judge, pair and methods as in row 2"},
           {"pair,judge,left,right,chosen,seconds\np,j,a,b,left,-1\n", "expected a number of at least 0"},
           {head + "p,\"j,a,b,left,f\n", "a quote that is never closed"}})
    CHECK(error_of([&, t = text] { study::parse_judgements(t, "a.csv"); }) == Contains(expected.c_str()));
  CHECK(study::parse_judgements(head, "a.csv").empty());
  CHECK(error_of([] { study::read_judgements("/no/such/file"); }) == Contains("cannot read"));
}

TEST_CASE("answers to a blind page become judgements by its key") {
  const std::string key =
      "page,place,kind,pair,photo,left,right\n"
      "77,1,methods,crop 1,lake,a,b\n77,2,same,crop 2,sea,a,a\n77,3,left spoilt,crop 1,lake,b,b\n"
      "77,4,methods,crop 2,sea,b,a\n77,5,right spoilt,crop 2,sea,a,a\n";
  const std::string head = "page,judge,place,choice,seconds\n";
  const std::string ann =
      head + "77,Ann,1,right,1.25\n77,Ann,2,tie,1\n77,Ann,3,right,1\n77,Ann,4,left,9\n77,Ann,5,left,1\n";
  const std::string bob = head + "77,Bob,3,tie,1\n77,Bob,1,left,1\n77,Bob,2,left,1\n";
  const study::Answers found = study::parse_answers({ann, bob}, {"ann.csv", "bob.csv"}, key, "key.csv");
  REQUIRE(found.judgements.size() == 3);
  CHECK(found.judgements[0].photo == "lake");
  CHECK(found.judgements[0].left == "a");
  CHECK(found.judgements[0].seconds == 1.25);
  CHECK(found.judgements[1].pair == "crop 2");
  REQUIRE(found.judges.size() == 2);
  CHECK(found.judges[0].looked());
  CHECK(found.judges[0].spoilt == 2);
  CHECK(found.judges[0].tied == 1);
  CHECK(found.judges[0].left == 1);
  CHECK_FALSE(found.judges[1].looked());
  CHECK(study::attentive(found).size() == 2);
  CHECK(study::preference(study::attentive(found), "b", "a").wins == 2);
  CHECK(
      study::words(found) ==
      "2 judges gave 3 answers, 2 of them for the picture on the left. Of 2 pairs of the same picture 1 were called a "
      "tie. 1 judge did not choose the sound one beside a spoilt picture, and did not look: \"Bob\" (1 of 1).");
  CHECK(shown(study::words(study::parse_answers({head + "77,Cy,1,tie,1\n"}, {"cy.csv"}, key, "key.csv"))) ==
        Contains("No spoilt picture was asked about"));
  const auto answers_error = [&](const std::string& text, const std::string& with) {
    return error_of([&] { study::parse_answers({ann, text}, {"ann.csv", "b.csv"}, with, "key.csv"); });
  };
  CHECK(answers_error(head + "78,Bob,1,left,1\n", key) ==
        Contains("b.csv, row 2, column \"page\": an answer to another"));
  CHECK(answers_error(head + "77,Bob,6,left,1\n", key) == Contains("expected 1 to 5"));
  CHECK(answers_error(head + "77,Bob,x,left,1\n", key) == Contains("expected a whole number, and is \"x\""));
  CHECK(answers_error(head + "77,Ann,1,left,1\n", key) == Contains("another file has answers of a judge of that name"));
  CHECK(answers_error(bob + "77,Bob,3,left,1\n", key) == Contains("row 5: the same judge and place as in row 2"));
  CHECK(answers_error(bob, "page,place,kind,pair,photo,left,right\n") == Contains("key.csv has no row"));
  CHECK(answers_error(bob, key + "77,7,same,p,p,a,a\n") == Contains("key.csv, row 7, column \"place\": expected 6"));
  CHECK(answers_error(bob, key + "78,6,same,p,p,a,a\n") == Contains("another page than in the rows above"));
  CHECK(answers_error(bob, key + "77,6,other,p,p,a,a\n") == Contains("expected methods, same"));
  CHECK(error_of([&] { study::parse_answers({ann}, {}, key, "key.csv"); }) == Contains("1 texts and 0 names"));
}
